import { InferenceService } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError } from "../../lib/errors.js";
import { isModelNamed, type ModelFolder } from "../../lib/model-folder.js";
import { type Binding, bind } from "../../lib/rpc/call.js";
import type { BatchRunner } from "./batch-runner.js";
import type { InferenceConfig } from "./config.js";

/** token ids -> queue -> batch -> model -> vectors */
export function createInference(
  config: InferenceConfig,
  deps: { readonly folder: ModelFolder; readonly runner: BatchRunner },
): Binding {
  const { folder, runner } = deps;

  return bind(InferenceService, {
    async embed({ model, sequences, normalize }, { signal }) {
      if (!isModelNamed(folder, model)) throw new MeshError("not_found", `unknown model: ${model}`);
      const rows = sequences.map((sequence) => sequence.ids);
      validate(rows, { ...folder, callSequencesMax: config.callSequencesMax });
      const vectors = await runner.run(rows, { normalize: normalize ?? true, signal });
      return {
        model: folder.id,
        dimensions: folder.dimensions,
        vectors: new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength),
      };
    },

    listModels: () => ({
      models: [
        {
          id: folder.id,
          dimensions: folder.dimensions,
          tokensMax: folder.tokensMax,
          vocabularySize: folder.vocabularySize,
          pooling: folder.pooling,
          dtype: config.dtype,
          batchTokensMax: config.batchTokensMax,
          queueMax: config.queueMax,
        },
      ],
    }),
  });
}

function validate(
  rows: readonly (readonly number[])[],
  limits: {
    readonly callSequencesMax: number;
    readonly tokensMax: number;
    readonly vocabularySize: number;
  },
): void {
  const { callSequencesMax, tokensMax, vocabularySize } = limits;
  if (rows.length === 0) throw new MeshError("empty", "sequences is empty");
  if (rows.length > callSequencesMax) {
    throw new MeshError("invalid", `${rows.length} sequences, at most ${callSequencesMax}`);
  }
  for (const [index, ids] of rows.entries()) {
    if (ids.length === 0) throw new MeshError("empty", `sequences[${index}] is empty`);
    if (ids.length > tokensMax) {
      throw new MeshError(
        "invalid",
        `sequences[${index}]: ${ids.length} tokens, at most ${tokensMax}`,
      );
    }
    const stray = ids.find((id) => id >= vocabularySize);
    if (stray !== undefined) {
      throw new MeshError("invalid", `sequences[${index}]: id ${stray} is outside the vocabulary`);
    }
  }
}
