import type { FastifyInstance } from "fastify";
import type { Clock } from "../../../lib/clock.js";
import type { Admission } from "../admission.js";
import type { GatewayConfig } from "../config.js";
import { refuseEarly } from "../http/app.js";
import { answerOpenAiErrors } from "../openai/errors.js";
import { addProcessingTime } from "../openai/headers.js";
import { describeProtocol } from "../openapi/route-schemas.js";
import type { Operations } from "../operations/operations.js";
import { answerEmbed } from "./embed.js";
import { answerRerank } from "./rerank.js";
import { cohere, schemas } from "./schemas.js";

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
  void app.register(async (plain) => {
    answerOpenAiErrors(plain, ({ message }) => ({ message }));
    addProcessingTime(plain, deps.clock);
    const scope = describeProtocol(plain, cohere);
    for (const apiVersion of ["1", "2"] as const) {
      const embedding = { ...early, schema: schemas.embed };
      scope.post(`/v${apiVersion}/embed`, embedding, (request, reply) =>
        answerEmbed(request.body, { request, reply }, { embed, inputsMax, apiVersion }),
      );
      const ranking = { ...early, schema: schemas.rerank };
      scope.post(`/v${apiVersion}/rerank`, ranking, (request, reply) =>
        answerRerank(request.body, { request, reply }, { rerank, inputsMax, apiVersion }),
      );
    }
  });
}
