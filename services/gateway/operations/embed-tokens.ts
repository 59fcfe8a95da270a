import type { InferenceService } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { CallContext, Client } from "../../../lib/rpc/call.js";
import { makesVectors } from "./embed.js";
import { toFloat32 } from "./float32.js";
import type { WorkOrder } from "./order.js";
import { jobOf, toComputed, type Usage, type Work } from "./work.js";

export interface EmbeddedTokens {
  readonly usage: Usage;
  readonly dimensions: number;
  /** For each input: shape [tokens, dimensions], row-major. */
  readonly vectors: readonly Float32Array[];
}

export type EmbedTokens = (order: WorkOrder, context: CallContext) => Promise<EmbeddedTokens>;

/** inputs -> token ids -> a vector for each token, before pooling */
export function createEmbedTokens(
  work: Work,
  inference: Client<typeof InferenceService>,
): EmbedTokens {
  return async (order, context) => {
    const { results, usage } = await work(order, context, {
      operation: "embed_tokens",
      fitness: makesVectors,
      async compute({ model, sequences }, context) {
        const job = jobOf(model, order, context);
        const { dimensions, vectors, ran } = await inference.embedTokens(
          { job, sequences: sequences.map(({ ids }) => ({ ids })) },
          context,
        );
        context.trace.set("gen_ai.embeddings.dimension.count", dimensions);
        return toComputed({ dimensions, vectors }, ran);
      },
      finish: ({ dimensions, vectors }) => ({ dimensions, vectors: vectors.map(toFloat32) }),
    });
    return { usage, dimensions: results.dimensions, vectors: results.vectors };
  };
}
