import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import type { Admission } from "../admission.js";
import type { GatewayConfig } from "../config.js";
import { contextOf, priorityOf, refuseEarly } from "../http/app.js";
import { readBody } from "../http/bodies.js";
import { toJsonArrays } from "../http/json-vectors.js";
import type { ModelDirectory } from "../model-directory.js";
import type { Operations } from "../operations/operations.js";
import { unsaid } from "../operations/order.js";
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

  const embed = async (request: FastifyRequest, reply: FastifyReply) => {
    const body = readBody(embedBody, request.body);
    const { inputs, truncate, normalize = true, dimensions, prompt_name: promptName } = body;
    const order = {
      ...unsaid,
      ...{ inputs, inputsMax: config.nativeInputsMax, isAdmittedWhole: true },
      ...{ truncate, normalize, dimensions, promptName },
      priority: priorityOf(request),
    };
    const { vectors } = await deps.operations.embed(order, contextOf(request));
    return reply.type("application/json").send(toJsonArrays(vectors));
  };
  const options = refuseEarly(deps.admission);
  app.post("/embed", options, embed);
  // Where Hugging Face's InferenceClient posts when it is given the address of a server.
  app.post("/", options, embed);

  app.get("/info", async () => {
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
}
