import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { answerOf, type MeshError } from "../../../lib/errors.js";
import { pathOf } from "../../../lib/path-of.js";
import { beginError, toFault } from "../http/errors.js";
import { splitPath } from "../http/field-names.js";
import { addLimitHeaders } from "./limit-headers.js";

/** OpenAI's description of a failure; its SDKs read these four. */
export interface OpenAiError {
  readonly message: string;
  readonly type: string;
  readonly param: string | null;
  readonly code: string | null;
}

/**
 * Every failure of a route of this scope, and below its prefix of what is no route, becomes
 * `{"error": {message, type, param, code}}`, and what `more` adds to it.
 */
export function answerOpenAiErrors(
  scope: FastifyInstance,
  more: (error: OpenAiError) => object = () => ({}),
): void {
  scope.setErrorHandler((thrown, request, reply) => {
    const fault = toFault(thrown);
    const error = request.is404 ? toRouteError(fault, request) : toOpenAiError(fault);
    const request_id = beginError(fault, request, reply);
    addRetryHeaders(fault, reply);
    const { openAiStatus } = answerOf[fault.fault];
    return reply.code(openAiStatus).send({ ...more(error), error, request_id });
  });
}

/** A path that is no route, or not for this method. */
function toRouteError(fault: MeshError, { method, url }: FastifyRequest): OpenAiError {
  const error = { ...toOpenAiError(fault), param: null };
  const path = pathOf(url);
  if (fault.fault === "not_found") {
    return { ...error, message: `Unknown request URL: ${method} ${path}`, code: "unknown_url" };
  }
  if (fault.fault !== "wrong_method") return error;
  return { ...error, message: `Invalid method for URL (${method} ${path})` };
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

/** What is left of the limits, and when the SDKs may try again. */
function addRetryHeaders({ fault, details }: MeshError, reply: FastifyReply): void {
  const { retryAfterMs } = details;
  addLimitHeaders(reply);
  if (retryAfterMs !== undefined) void reply.header("retry-after-ms", Math.ceil(retryAfterMs));
  // The SDKs retry every 429; what is more than a limit ever allows is refused again.
  else if (fault === "limited") void reply.header("x-should-retry", "false");
}
