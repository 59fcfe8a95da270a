import type { FastifyInstance } from "fastify";
import { answerOf } from "../../../lib/errors.js";
import { beginError, toFault } from "../http/errors.js";

/** Every failure of a route of this scope becomes `{"error": {message, type, param, code}}`, which OpenAI's SDKs read. */
export function answerOpenAiErrors(app: FastifyInstance): void {
  app.setErrorHandler((thrown, request, reply) => {
    const error = toFault(thrown);
    const { openAiStatus, openAiType: type, openAiCode: code } = answerOf[error.fault];
    const { message, details } = error;
    const param = details.fields?.[0]?.field ?? null;
    const request_id = beginError(error, request, reply);
    return reply.code(openAiStatus).send({ error: { message, type, param, code }, request_id });
  });
}
