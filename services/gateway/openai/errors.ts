import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { answerOf, type MeshError } from "../../../lib/errors.js";
import { beginError, noRoute, toFault } from "../http/errors.js";
import { splitPath } from "../http/field-names.js";
import { addLimitHeaders } from "./limit-headers.js";

/** OpenAI's description of a failure; its SDKs read these four. */
export interface OpenAiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

/** Every failure of a route of this scope becomes `{"error": {message, type, param, code}}`, and what `more` adds to it. */
export function answerOpenAiErrors(
  scope: FastifyInstance,
  more: (error: OpenAiError) => object = () => ({}),
): void {
  scope.setErrorHandler((thrown, request, reply) => {
    const fault = toFault(thrown);
    return send(fault, toOpenAiError(fault), { request, reply, more });
  });
}

/** The same for paths below the prefix of this scope that are no route, or not for this method. */
export function answerNoRoute(app: FastifyInstance, scope: FastifyInstance): void {
  scope.setNotFoundHandler((request, reply) => {
    const fault = noRoute(app, request, reply);
    const [path] = request.url.split("?");
    const isUnknown = fault.fault === "not_found";
    const message = isUnknown
      ? `Unknown request URL: ${request.method} ${path}`
      : `Invalid method for URL (${request.method} ${path})`;
    const error = { ...toOpenAiError(fault), message, param: null };
    const code = isUnknown ? "unknown_url" : error.code;
    return send(fault, { ...error, code }, { request, reply, more: () => ({}) });
  });
}

/** The failure in OpenAI's words. */
export function toOpenAiError({ message, fault, details }: MeshError): OpenAiError {
  const { openAiType: type, openAiCode: code } = answerOf[fault];
  const [first] = details.fields ?? [];
  if (first === undefined || first.field === "") {
    return { message, type, param: fault === "not_found" ? "model" : null, code };
  }
  const { root: param, place } = splitPath(first.field);
  const isPlain = place === "" && first.description.includes(param);
  const reason = isPlain ? first.description : `'${first.field}': ${first.description}`;
  return { message: reason, type, param, code };
}

function send(
  fault: MeshError,
  error: OpenAiError,
  {
    request,
    reply,
    more,
  }: {
    readonly request: FastifyRequest;
    readonly reply: FastifyReply;
    readonly more: (error: OpenAiError) => object;
  },
): FastifyReply {
  const request_id = beginError(fault, request, reply);
  const { limits, retryAfterMs } = fault.details;
  if (limits !== undefined) addLimitHeaders(reply, limits);
  if (retryAfterMs !== undefined) void reply.header("retry-after-ms", Math.ceil(retryAfterMs));
  // The SDKs retry every 429; what is more than a limit ever allows is refused again.
  else if (fault.fault === "limited") void reply.header("x-should-retry", "false");
  return reply.code(answerOf[fault.fault].openAiStatus).send({ ...more(error), error, request_id });
}
