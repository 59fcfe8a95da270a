import type { FastifyInstance } from "fastify";
import { answerOf, type Fault } from "../../../lib/errors.js";
import { beginError, toFault } from "../http/errors.js";

/** Every failure of a route of this scope becomes `{"error": "…"}`, with Triton's statuses where it has them. */
export function answerOipErrors(app: FastifyInstance): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = toFault(thrown);
    beginError(error, request, reply);
    return reply.code(statusOf(error.fault)).send({ error: error.message });
  });
}

const badRequests: readonly Fault[] = ["empty", "invalid", "malformed"];

function statusOf(fault: Fault): number {
  return badRequests.includes(fault) ? 400 : answerOf[fault].httpStatus;
}
