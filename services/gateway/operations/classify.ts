import { type InferenceService, Task } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { CallContext, Client } from "../../../lib/rpc/call.js";
import type { Fitness } from "../model-directory.js";
import type { WorkOrder } from "./order.js";
import { jobOf, toComputed, type Usage, type Work } from "./work.js";

export interface ClassifyOrder extends WorkOrder {
  /** Whether scores are the model's own numbers (logits) instead of probabilities. */
  readonly isRaw: boolean;
}

export interface Scored {
  readonly label: string;
  readonly score: number;
}

export interface Classified {
  readonly usage: Usage;
  /** For each input: the score of each label, highest first. */
  readonly predictions: readonly (readonly Scored[])[];
}

export type Classify = (order: ClassifyOrder, context: CallContext) => Promise<Classified>;

/** A model made for it goes first; else the default model, if it has labels. */
const hasLabels: Fitness = {
  fits: ({ labels, task }) => labels.length > 0 || task === Task.RERANKING,
  isBest: ({ task }) => task === Task.CLASSIFICATION,
  refusal: "Backend error: Model is not a classifier model",
};

/** Cross-encoders only: their one score says how well the second text of a pair answers the first. */
export const readsPairs: Fitness = {
  fits: ({ task }) => task === Task.RERANKING,
  refusal: "Backend error: model is not a re-ranker model",
};

/** texts or pairs -> token ids -> scores of the model's labels */
export function createClassify(
  work: Work,
  inference: Client<typeof InferenceService>,
  fitness: Fitness = hasLabels,
): Classify {
  return async (order, context) => {
    const { results, usage } = await work(order, context, {
      operation: "classify",
      fitness,
      async compute({ model, sequences }, context) {
        const job = jobOf(model, order, context);
        const { labels, scores, ran } = await inference.classify(
          {
            job,
            raw: order.isRaw,
            sequences: sequences.map(({ ids, typeIds }) => ({ ids, typeIds })),
          },
          context,
        );
        return toComputed({ labels, scores }, ran);
      },
      finish: ({ labels, scores }, { sequences }) =>
        sequences.map((_, row) =>
          highestFirst(
            labels.map((label, at) => ({ label, score: scores[row * labels.length + at] ?? 0 })),
          ),
        ),
    });
    return { usage, predictions: results };
  };
}

function highestFirst(scores: readonly Scored[]): readonly Scored[] {
  return scores.toSorted((a, b) => b.score - a.score);
}
