import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { answerOf, type MeshError } from "../../../lib/errors.js";
import { beginError, noRoute, toFault } from "../http/errors.js";
import { addLimitHeaders } from "./limit-headers.js";

declare module "fastify" {
  interface FastifyContextConfig {
    /** What this route's callers call the fields of an operation. */
    readonly fieldNames?: Readonly<Record<string, string>>;
  }
}

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
    const error = toOpenAiError(fault, request.routeOptions.config.fieldNames ?? {});
    return send(fault, error, { request, reply, more });
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
    const error = { ...toOpenAiError(fault, {}), message, param: null };
    const code = isUnknown ? "unknown_url" : error.code;
    return send(fault, { ...error, code }, { request, reply, more: () => ({}) });
  });
}

/** The failure in OpenAI's words; `names` says what the caller calls the fields. */
export function toOpenAiError(
  { message, fault, details }: MeshError,
  names: Readonly<Record<string, string>>,
): OpenAiError {
  const { openAiType: type, openAiCode: code } = answerOf[fault];
  const [first] = details.fields ?? [];
  if (first === undefined || first.field === "") {
    return { message, type, param: fault === "not_found" ? "model" : null, code };
  }
  const { field, description } = first;
  const [root = "", place = ""] = splitPath(field);
  const param = names[root] ?? root;
  const reason = description
    .replace(`${field}: `, "")
    // Operations say `inputs` of whatever they work on.
    .replaceAll(/`(\w+)/g, (_, word) => `\`${word === "inputs" ? param : (names[word] ?? word)}`);
  const isPlain = place === "" && reason.includes(param);
  return { message: isPlain ? reason : `'${param}${place}': ${reason}`, type, param, code };
}

/** `inputs[2].text` is `inputs` and the place in it. The ids of an input stand two messages deep in the tokenizer's. */
function splitPath(field: string): readonly string[] {
  const end = field.search(/[[.]/);
  return end < 0 ? [field] : [field.slice(0, end), field.slice(end).replace(".ids.ids", "")];
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
