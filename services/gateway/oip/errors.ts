import type { FastifyInstance } from "fastify";
import { answerOf, type Fault } from "../../../lib/errors.js";
import { toFault } from "../http/errors.js";

/** Every failure of a route of this scope becomes `{"error": "…"}`, with Triton's statuses where it has them. */
export function answerOipErrors(app: FastifyInstance): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = toFault(thrown);
    const { message, fault, details } = error;
    request.fault = error;
    if (details.retryAfterMs !== undefined) {
      void reply.header("retry-after", Math.ceil(details.retryAfterMs / 1000));
    }
    void reply.header("x-request-id", request.call?.context.requestId ?? request.id);
    return reply.code(statusOf(fault)).send({ error: message });
  });
}

const badRequests: readonly Fault[] = ["empty", "invalid", "malformed"];

function statusOf(fault: Fault): number {
  return badRequests.includes(fault) ? 400 : answerOf[fault].httpStatus;
}
