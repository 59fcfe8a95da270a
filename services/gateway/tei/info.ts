import { type Model, Task } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { GatewayConfig } from "../config.js";
import type { ModelDirectory } from "../model-directory.js";
import { ranks } from "../operations/rerank.js";

/** GET /info: the default model and the limits, under the names of text-embeddings-inference; null where it is unknown. */
export function createInfo(
  config: Pick<GatewayConfig, "nativeInputsMax" | "admittedInputsMax" | "truncate">,
  deps: { readonly directory: ModelDirectory; readonly version: string },
): () => Promise<object> {
  return async () => {
    const model = await deps.directory.resolve("", "");
    return {
      model_id: model.name,
      model_sha: null,
      model_dtype: model.dtype,
      served_model_name: model.name,
      model_type: typeOf(model),
      max_concurrent_requests: config.admittedInputsMax,
      max_input_length: model.tokensMax,
      max_batch_tokens: model.batchTokensMax,
      max_batch_requests: model.batchSequencesMax,
      max_client_batch_size: config.nativeInputsMax,
      auto_truncate: config.truncate,
      tokenization_workers: null,
      version: deps.version,
      sha: null,
      docker_label: null,
      rerank: await rankerOf(deps.directory),
    };
  };
}

function typeOf(model: Model): object | null {
  return describe[model.task]?.(model) ?? null;
}

const describe: Readonly<Record<Task, ((model: Model) => object) | undefined>> = {
  [Task.EMBEDDING]: ({ pooling }) => ({ embedding: { pooling } }),
  [Task.SPARSE_EMBEDDING]: () => ({ embedding: { pooling: "splade" } }),
  [Task.CLASSIFICATION]: (model) => ({ classifier: labelsOf(model) }),
  [Task.RERANKING]: (model) => ({ reranker: labelsOf(model) }),
  [Task.UNSPECIFIED]: undefined,
};

function labelsOf({ labels }: Model) {
  return {
    id2label: Object.fromEntries(labels.map((label, id) => [String(id), label])),
    label2id: Object.fromEntries(labels.map((label, id) => [label, id])),
  };
}

/** How /rerank scores: a cross-encoder reads query and text together, an embedding model compares their vectors. */
async function rankerOf(directory: ModelDirectory): Promise<object | null> {
  const models = await directory.list();
  if (!models.some(ranks.fits)) return null;
  const { name, task } = await directory.resolve("", "", ranks);
  return { model: name, by: task === Task.RERANKING ? "cross_encoder" : "cosine_of_embeddings" };
}
