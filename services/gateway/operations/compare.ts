import type { CallContext } from "../../../lib/rpc/call.js";
import type { Embed } from "./embed.js";
import { inPostprocessing } from "./in-postprocessing.js";
import type { WorkOrder } from "./order.js";
import type { Usage } from "./work.js";

/** The first input is compared with each of the others. */
export type CompareOrder = WorkOrder;

export interface Compared {
  readonly usage: Usage;
  /** Cosine of the first input and each of the others, in their order: -1..1. */
  readonly cosines: readonly number[];
}

export type Compare = (order: CompareOrder, context: CallContext) => Promise<Compared>;

/** inputs -> unit vectors -> cosines of the first and the others */
export function createCompare(embed: Embed): Compare {
  return async (order, context) => {
    const { vectors, usage } = await embed(
      { ...order, normalize: true, dimensions: undefined },
      context,
    );
    const [source, ...others] = vectors;
    if (source === undefined) return { usage, cosines: [] };
    const cosines = inPostprocessing(context, () => others.map((other) => dot(source, other)));
    return { usage, cosines };
  };
}

/** Of vectors of length 1, their cosine. */
export function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? 0), 0);
}
