import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { InferenceService } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError } from "../../../lib/errors.js";
import type { Channel } from "../../../lib/rpc/call.js";
import type { GatewayConfig } from "../config.js";
import type { Embed } from "../embedder.js";
import { contextOf } from "./app.js";
import { embedBody, readBody } from "./bodies.js";
import { toJsonArrays } from "./json-vectors.js";

/** Routes in the shape of text-embeddings-inference. */
export function addNativeRoutes(
  app: FastifyInstance,
  config: Pick<GatewayConfig, "nativeInputsMax">,
  deps: { readonly embed: Embed; readonly inference: Channel; readonly version: string },
): void {
  const inference = deps.inference.client(InferenceService);

  const embed = async (request: FastifyRequest, reply: FastifyReply) => {
    const { inputs, truncate, normalize = true, dimensions } = readBody(embedBody, request.body);
    const order = {
      model: "",
      texts: inputs,
      textsMax: config.nativeInputsMax,
      truncate,
      normalize,
      dimensions,
    };
    const { vectors, dimensions: width } = await deps.embed(order, contextOf(request));
    return reply.type("application/json").send(toJsonArrays(vectors, width));
  };
  app.post("/embed", embed);
  // Where Hugging Face's InferenceClient posts when it is given the address of a server.
  app.post("/", embed);

  app.get("/info", async (request) => {
    const { models } = await inference.listModels({}, contextOf(request));
    const model = models[0];
    if (model === undefined) throw new MeshError("unavailable", "no model is loaded");
    return {
      model_id: model.id,
      model_sha: null,
      model_dtype: model.dtype,
      served_model_name: model.id,
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
