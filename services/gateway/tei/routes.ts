import type { FastifyInstance } from "fastify";
import type { Admission } from "../admission.js";
import type { GatewayConfig } from "../config.js";
import { contextOf, priorityOf, refuseEarly } from "../http/app.js";
import { toJsonArrays } from "../http/json-vectors.js";
import type { ModelDirectory } from "../model-directory.js";
import { describeProtocol } from "../openapi/route-schemas.js";
import type { Operations } from "../operations/operations.js";
import { unsaid } from "../operations/order.js";
import { embedAnswer, infoAnswer, teiError } from "./answers.js";
import { embedBody } from "./bodies.js";

/** Routes in the shape of text-embeddings-inference. */
export function addTeiRoutes(
  app: FastifyInstance,
  config: Pick<GatewayConfig, "nativeInputsMax">,
  deps: {
    readonly operations: Operations;
    readonly directory: ModelDirectory;
    readonly admission: Admission;
    readonly version: string;
  },
): void {
  const { directory } = deps;
  void app.register(async (plain) => {
    const scope = describeProtocol(plain, tei);

    // Hugging Face's InferenceClient posts to `/` when it is given the address of a server.
    for (const path of ["/embed", "/"]) {
      scope.post(
        path,
        {
          ...refuseEarly(deps.admission),
          schema: { summary: "Vectors of texts", body: embedBody, response: { 200: embedAnswer } },
        },
        async (request, reply) => {
          const { inputs, truncate, normalize = true, dimensions, prompt_name } = request.body;
          const order = {
            ...unsaid,
            ...{ inputs, inputsMax: config.nativeInputsMax, isAdmittedWhole: true },
            ...{ truncate, normalize, dimensions, promptName: prompt_name },
            priority: priorityOf(request),
          };
          const { vectors } = await deps.operations.embed(order, contextOf(request));
          return reply.type("application/json").send(toJsonArrays(vectors));
        },
      );
    }

    scope.get("/info", { schema: infoSchema }, async () => {
      const model = await directory.resolve("", "");
      return {
        model_id: model.name,
        model_sha: null,
        model_dtype: model.dtype,
        served_model_name: model.name,
        model_type: { embedding: { pooling: model.pooling } },
        max_concurrent_requests: model.queueMax,
        max_input_length: model.tokensMax,
        max_batch_tokens: model.batchTokensMax,
        max_batch_requests: null,
        max_client_batch_size: config.nativeInputsMax,
        version: deps.version,
      };
    });
  });
}

const infoSchema = { summary: "What the server serves", response: { 200: infoAnswer } };

const tei = {
  tag: "text-embeddings-inference",
  description: "The routes of Hugging Face's text-embeddings-inference 1.9.",
  error: { schema: teiError, statuses: [400, 404, 413, 422, 424, 429, 500, 503, 504] },
};
