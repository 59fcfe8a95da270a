import type { FastifyInstance } from "fastify";
import type { Clock } from "../../../lib/clock.js";
import { MeshError } from "../../../lib/errors.js";
import type { Admission } from "../admission.js";
import type { GatewayConfig } from "../config.js";
import { refuseEarly } from "../http/app.js";
import type { ModelDirectory } from "../model-directory.js";
import { describeProtocol } from "../openapi/route-schemas.js";
import type { Operations } from "../operations/operations.js";
import { answerClassify } from "./classify.js";
import { answerEmbeddings } from "./embeddings.js";
import { answerOpenAiErrors } from "./errors.js";
import { addProcessingTime } from "./headers.js";
import { findModel, listModels, servedName } from "./models.js";
import { openAi, schemas } from "./schemas.js";

export interface OpenAiDeps {
  readonly operations: Pick<Operations, "embed" | "classify" | "zeroShot">;
  readonly directory: ModelDirectory;
  readonly admission: Admission;
  readonly clock: Clock;
}

/** Routes in the shape of OpenAI's API, and what vLLM and infinity have beside them. */
export function addOpenAiRoutes(
  app: FastifyInstance,
  config: Pick<GatewayConfig, "inputsMax">,
  deps: OpenAiDeps,
): void {
  // A scope of its own: errors in this protocol's shape.
  void app.register(async (scope) => {
    answerOpenAiErrors(scope);
    addProcessingTime(scope, deps.clock);
    addRoutes(scope, config, deps);
  });
  void app.register(
    async (scope) => {
      answerOpenAiErrors(scope);
      addProcessingTime(scope, deps.clock);
      // What is no route here is refused before it gets this far, by a hook of the app; but in the words of this scope.
      scope.setNotFoundHandler(() => {
        throw new MeshError("not_found", "no route");
      });
    },
    { prefix: "/v1" },
  );
}

function addRoutes(
  plain: FastifyInstance,
  { inputsMax }: Pick<GatewayConfig, "inputsMax">,
  { operations, directory, admission, clock }: OpenAiDeps,
): void {
  const scope = describeProtocol(plain, openAi);
  const early = refuseEarly(admission);
  const created = Math.floor(clock.dateMs() / 1_000);
  const embedding = { embed: operations.embed, inputsMax };

  scope.post("/v1/embeddings", { ...early, schema: schemas.embeddings }, (request, reply) =>
    answerEmbeddings(request.body, { request, reply }, embedding),
  );
  // Servers of one model have this path, and their callers send any name.
  scope.post("/embeddings", { ...early, schema: schemas.alias }, async (request, reply) => {
    const model = await servedName(directory, request.body.model);
    return answerEmbeddings({ ...request.body, model }, { request, reply }, embedding);
  });

  const classifying = { operations, inputsMax, dateMs: () => clock.dateMs() };
  for (const path of ["/v1/classify", "/classify"]) {
    scope.post(path, { ...early, schema: schemas.classify }, (request, reply) =>
      answerClassify(request.body, { request, reply }, classifying),
    );
  }

  scope.get("/v1/models", { schema: schemas.models }, () => listModels(directory, created));
  scope.get("/v1/models/*", { schema: schemas.model }, ({ params }) =>
    // The name of the parameter is Fastify's.
    findModel(directory, (params as { readonly "*": string })["*"], created),
  );
}
