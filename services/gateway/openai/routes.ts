import type { FastifyInstance } from "fastify";
import type { Clock } from "../../../lib/clock.js";
import type { Admission } from "../admission.js";
import type { GatewayConfig } from "../config.js";
import { refuseEarly } from "../http/app.js";
import { readBody } from "../http/bodies.js";
import type { ModelDirectory } from "../model-directory.js";
import type { Operations } from "../operations/operations.js";
import { classifyBody, embeddingsBody } from "./bodies.js";
import { answerClassify } from "./classify.js";
import { answerEmbeddings } from "./embeddings.js";
import { answerNoRoute, answerOpenAiErrors } from "./errors.js";
import { addProcessingTime } from "./headers.js";
import { findModel, listModels } from "./models.js";

export interface OpenAiDeps {
  readonly operations: Pick<Operations, "embed" | "classify" | "zeroShot">;
  readonly directory: ModelDirectory;
  readonly admission: Admission;
  readonly clock: Clock;
}

/** Routes in the shape of OpenAI's API, and what vLLM and infinity have beside them. */
export function addOpenAiRoutes(
  app: FastifyInstance,
  { inputsMax }: Pick<GatewayConfig, "inputsMax">,
  { operations, directory, admission, clock }: OpenAiDeps,
): void {
  const early = refuseEarly(admission);
  const created = Math.floor(clock.dateMs() / 1_000);
  const { embed } = operations;

  // A scope of its own: errors in this protocol's shape.
  void app.register(async (scope) => {
    answerOpenAiErrors(scope);
    addProcessingTime(scope, clock);

    scope.post("/v1/embeddings", early, (request, reply) => {
      const body = readBody(embeddingsBody, request.body);
      return answerEmbeddings(body, { request, reply }, { embed, inputsMax });
    });
    // Servers of one model have this path, and their callers send any name.
    scope.post("/embeddings", early, async (request, reply) => {
      const body = readBody(embeddingsBody, request.body);
      const model = await servedName(directory, body.model);
      return answerEmbeddings({ ...body, model }, { request, reply }, { embed, inputsMax });
    });

    for (const path of ["/v1/classify", "/classify"]) {
      scope.post(path, early, (request, reply) => {
        const body = readBody(classifyBody, request.body);
        const dateMs = () => clock.dateMs();
        return answerClassify(body, { request, reply }, { operations, inputsMax, dateMs });
      });
    }

    scope.get("/v1/models", () => listModels(directory, created));
    scope.get<{ Params: { "*": string } }>("/v1/models/*", ({ params }) =>
      findModel(directory, params["*"], created),
    );
  });
  void app.register(
    async (scope) => {
      addProcessingTime(scope, clock);
      answerNoRoute(app, scope);
    },
    { prefix: "/v1" },
  );
}

/** The name if it is served, else none, which means the default model. */
async function servedName(
  directory: ModelDirectory,
  name: string | undefined,
): Promise<string | undefined> {
  if (name === undefined) return undefined;
  const [wanted] = name.split("@");
  const models = await directory.list();
  return models.some((model) => model.name === wanted || model.name.endsWith(`/${wanted}`))
    ? name
    : undefined;
}
