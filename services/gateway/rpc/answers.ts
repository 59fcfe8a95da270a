import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type ModelSchema,
  Task as PublicTask,
  type UsageSchema,
  VectorEncoding,
} from "../../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { type Model, Task } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { Usage } from "../operations/work.js";

/** What every answer but Embed's begins with. */
export function toAnswered({ model, version, tokens, characters, timing }: Usage): {
  readonly model: string;
  readonly version: string;
  readonly usage: MessageInitShape<typeof UsageSchema>;
} {
  return { model, version, usage: { inputTokens: tokens, characters, ...timing } };
}

/** Vectors of one input, as the caller wants them written. */
export function toVectors(
  vectors: Float32Array = new Float32Array(),
  inputTokens = 0,
  encoding: VectorEncoding,
): { readonly inputTokens: number; values?: number[]; float32Le?: Uint8Array } {
  if (encoding !== VectorEncoding.FLOAT32_LE) return { values: [...vectors], inputTokens };
  const float32Le = new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength);
  return { float32Le, inputTokens };
}

/** A model without what only the mesh itself has to know. */
export function toModel(model: Model): MessageInitShape<typeof ModelSchema> {
  const { name, version, versionLabels, isDefaultModel, isHealthy } = model;
  const { dimensions, tokensMax, pooling, dtype, labels } = model;
  return {
    ...{ name, version, versionLabels, isDefaultModel, isHealthy },
    ...{ dimensions, tokensMax, pooling, dtype, labels },
    task: publicTaskOf[model.task] ?? PublicTask.UNSPECIFIED,
  };
}

const publicTaskOf: Readonly<Record<Task, PublicTask>> = {
  [Task.UNSPECIFIED]: PublicTask.UNSPECIFIED,
  [Task.EMBEDDING]: PublicTask.EMBEDDING,
  [Task.CLASSIFICATION]: PublicTask.CLASSIFICATION,
  [Task.RERANKING]: PublicTask.RERANKING,
  [Task.SPARSE_EMBEDDING]: PublicTask.SPARSE_EMBEDDING,
};
