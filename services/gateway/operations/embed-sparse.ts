import {
  type InferenceService,
  type SparseVector,
  Task,
} from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { CallContext, Client } from "../../../lib/rpc/call.js";
import type { Fitness } from "../model-directory.js";
import type { WorkOrder } from "./order.js";
import { jobOf, toComputed, type Usage, type Work } from "./work.js";

export interface EmbeddedSparsely {
  readonly usage: Usage;
  /** One for each input. */
  readonly vectors: readonly SparseVector[];
}

export type EmbedSparse = (order: WorkOrder, context: CallContext) => Promise<EmbeddedSparsely>;

const makesSparseVectors: Fitness = {
  fits: ({ task }) => task === Task.SPARSE_EMBEDDING,
  refusal: "Backend error: Model is not an embedding model with SPLADE pooling",
};

/** inputs -> token ids -> weights over the vocabulary (SPLADE) */
export function createEmbedSparse(
  work: Work,
  inference: Client<typeof InferenceService>,
): EmbedSparse {
  return async (order, context) => {
    const { results, usage } = await work(order, context, {
      operation: "embed_sparse",
      fitness: makesSparseVectors,
      async compute({ model, sequences }, context) {
        const job = jobOf(model, order, context);
        const { vectors, ran } = await inference.embedSparse(
          { job, sequences: sequences.map(({ ids }) => ({ ids })) },
          context,
        );
        return toComputed(vectors, ran);
      },
      finish: (vectors) => vectors,
    });
    return { usage, vectors: results };
  };
}
