import type { FastifyInstance } from "fastify";
import type { Clock } from "../../../lib/clock.js";
import type { Admission } from "../admission.js";
import type { GatewayConfig } from "../config.js";
import { refuseEarly } from "../http/app.js";
import { readBody } from "../http/bodies.js";
import { answerOpenAiErrors } from "../openai/errors.js";
import { addProcessingTime } from "../openai/headers.js";
import type { Operations } from "../operations/operations.js";
import { embedBody, rerankBody } from "./bodies.js";
import { answerEmbed } from "./embed.js";
import { answerRerank } from "./rerank.js";

/** Cohere's routes, versions 1 and 2. Its errors have a `message`; beside it stands OpenAI's `error`, for all others. */
export function addCohereRoutes(
  app: FastifyInstance,
  { inputsMax }: Pick<GatewayConfig, "inputsMax">,
  deps: {
    readonly operations: Pick<Operations, "embed" | "rerank">;
    readonly admission: Admission;
    readonly clock: Clock;
  },
): void {
  const { embed, rerank } = deps.operations;
  const early = refuseEarly(deps.admission);
  void app.register(async (scope) => {
    answerOpenAiErrors(scope, ({ message }) => ({ message }));
    addProcessingTime(scope, deps.clock);
    for (const apiVersion of ["1", "2"] as const) {
      scope.post(`/v${apiVersion}/embed`, early, (request, reply) => {
        const body = readBody(embedBody, request.body);
        return answerEmbed(body, { request, reply }, { embed, inputsMax, apiVersion });
      });
      scope.post(`/v${apiVersion}/rerank`, early, (request, reply) => {
        const body = readBody(rerankBody, request.body);
        return answerRerank(body, { request, reply }, { rerank, inputsMax, apiVersion });
      });
    }
  });
}
