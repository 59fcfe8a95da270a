import { Task } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError } from "../../../lib/errors.js";
import type { CallContext } from "../../../lib/rpc/call.js";
import type { Fitness, ModelDirectory } from "../model-directory.js";
import type { Classify } from "./classify.js";
import type { Compare } from "./compare.js";
import { requireContent, requireCount, type WorkOrder } from "./order.js";
import type { Usage } from "./work.js";

export interface RerankOrder extends Omit<WorkOrder, "inputs"> {
  readonly query: string;
  /** At most `inputsMax`. */
  readonly texts: readonly string[];
  /** Whether a cross-encoder's scores are its own numbers (logits) instead of probabilities. */
  readonly isRaw: boolean;
}

export interface Ranked {
  /** Position in the order's texts. */
  readonly index: number;
  readonly score: number;
}

export interface Reranked {
  readonly usage: Usage;
  /** One for each text, highest score first. */
  readonly ranks: readonly Ranked[];
}

export type Rerank = (order: RerankOrder, context: CallContext) => Promise<Reranked>;

/** A cross-encoder if one is loaded, else a model that makes vectors. */
export const ranks: Fitness = {
  fits: ({ task }) => task === Task.RERANKING || task === Task.EMBEDDING,
  isBest: ({ task }) => task === Task.RERANKING,
  refusal: "Backend error: model is not a re-ranker model",
};

/** query and texts -> scores of a cross-encoder over pairs, or else cosines of vectors */
export function createRerank(deps: {
  readonly directory: ModelDirectory;
  /** Over cross-encoders. */
  readonly score: Classify;
  readonly compare: Compare;
}): Rerank {
  return async ({ query, texts, isRaw, ...order }, context) => {
    if (texts.length === 0) throw noTexts();
    const { name, task } = await deps.directory.resolve(order.model, order.version, ranks);
    requireCount({ ...order, inputs: texts });
    if (task === Task.RERANKING) {
      const inputs = texts.map((second) => ({ first: query, second }));
      const { predictions, usage } = await deps.score(
        { ...order, model: name, inputs, isRaw },
        context,
      );
      return { usage, ranks: toRanks(predictions.map((scores) => scores[0]?.score ?? 0)) };
    }
    requireContent([query], () => "query");
    requireContent(texts, (index) => `texts[${index}]`);
    const { cosines, usage } = await deps.compare(
      { ...order, model: name, inputs: [query, ...texts], inputsMax: order.inputsMax + 1 },
      context,
    );
    return { usage, ranks: toRanks(cosines) };
  };
}

function noTexts(): MeshError {
  const description = "`texts` cannot be empty";
  return new MeshError("empty", description, { fields: [{ field: "texts", description }] });
}

function toRanks(scores: readonly number[]): readonly Ranked[] {
  return scores.map((score, index) => ({ index, score })).toSorted((a, b) => b.score - a.score);
}
