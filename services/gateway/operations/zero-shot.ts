import type { CallContext } from "../../../lib/rpc/call.js";
import type { Classified, Scored } from "./classify.js";
import { dot } from "./compare.js";
import type { Embed } from "./embed.js";
import { inPostprocessing } from "./in-postprocessing.js";
import { refusal, requireContent, requireCount, type WorkOrder } from "./order.js";

export interface ZeroShotOrder extends WorkOrder {
  /** Labels that the model need not know. With the inputs at most `inputsMax`. */
  readonly labels: readonly string[];
  /** What is said of an input that has a label, with `{}` in its place. */
  readonly template: string;
  /** Whether each label is judged by itself, or all share the score of 1. */
  readonly isMultiLabel: boolean;
}

export type ZeroShot = (order: ZeroShotOrder, context: CallContext) => Promise<Classified>;

/**
 * Divides cosines before the softmax: a label that is nearer by 0.05 scores e times as high. Embedding models put the
 * cosines of related texts within a few tenths, which without it would make all labels nearly equal.
 */
const temperature = 0.05;

/** inputs and labels in a sentence -> unit vectors -> cosines -> scores, highest first */
export function createZeroShot(embed: Embed): ZeroShot {
  return async ({ labels, template, isMultiLabel, ...order }, context) => {
    const { inputs } = order;
    requireCount(order);
    requireLabels(labels, template);
    const hypotheses = labels.map((label) => template.replace("{}", () => label));
    const { vectors, usage } = await embed(
      { ...order, inputs: [...inputs, ...hypotheses], normalize: true, dimensions: undefined },
      context,
    );
    const meanings = vectors.slice(inputs.length);
    const toScored = (vector: Float32Array): readonly Scored[] => {
      const cosines = meanings.map((meaning) => dot(vector, meaning));
      const scores = isMultiLabel ? cosines.map(clip) : softmax(cosines);
      return labels
        .map((label, at): Scored => ({ label, score: scores[at] ?? 0 }))
        .toSorted((a, b) => b.score - a.score);
    };
    const predictions = inPostprocessing(context, () =>
      vectors.slice(0, inputs.length).map(toScored),
    );
    return { usage, predictions };
  };
}

function requireLabels(labels: readonly string[], template: string): void {
  if (labels.length === 0) throw refusal("empty", "labels", "`labels` cannot be empty");
  requireContent(labels, (index) => `labels[${index}]`);
  if (template.includes("{}")) return;
  throw refusal("invalid", "template", "the template has no place `{}` for a label");
}

/** A cosine of -1..1 as a score: unrelated and opposite texts have none. */
function clip(cosine: number): number {
  return Math.min(1, Math.max(0, cosine));
}

function softmax(cosines: readonly number[]): number[] {
  const highest = Math.max(...cosines);
  const weights = cosines.map((cosine) => Math.exp((cosine - highest) / temperature));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}
