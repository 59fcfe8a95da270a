import {
  type InferenceService,
  type Model,
  type Ran,
  Task,
} from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { Clock } from "../../../lib/clock.js";
import type { CallContext, Client } from "../../../lib/rpc/call.js";
import type { Fitness } from "../model-directory.js";
import type { Computed as ComputedVectors, VectorCache } from "../vector-cache.js";
import { toFloat32 } from "./float32.js";
import { refusal, type WorkOrder } from "./order.js";
import { jobOf, type Tokenized, toComputed, type Usage, type Work } from "./work.js";

/** One vector for each input. */
export interface EmbedOrder extends WorkOrder {
  /** Whether vectors have length 1. */
  readonly normalize: boolean;
  /** Keep only the first so many dimensions; undefined: all. */
  readonly dimensions: number | undefined;
}

export interface Embedded {
  readonly usage: Usage;
  readonly dimensions: number;
  /** One for each input; shared with others, so never written to. */
  readonly vectors: readonly Float32Array[];
}

export type Embed = (order: EmbedOrder, context: CallContext) => Promise<Embedded>;

export interface EmbedDeps {
  readonly work: Work;
  readonly inference: Client<typeof InferenceService>;
  readonly cache: VectorCache;
  readonly clock: Clock;
  /** What one computation may take, whoever waits for it. */
  readonly computeMsMax: number;
}

export const makesVectors: Fitness = {
  fits: ({ task }) => task === Task.EMBEDDING,
  refusal: "Backend error: Model is not an embedding model",
};

/** inputs -> token ids -> vectors, remembered or new */
export function createEmbed({ work, inference, cache, clock, computeMsMax }: EmbedDeps): Embed {
  return async (order, context) => {
    const { results, usage } = await work(order, context, {
      fitness: makesVectors,
      validate: (model) => requireDimensions(model, order),
      compute: async (tokenized) => {
        const { vectors, ran, computedTokens } = await vectorsOf(tokenized, order, context);
        const whole = tokenized.model.dimensions;
        const { dimensions = whole } = order;
        const wanted =
          dimensions < whole ? vectors.map((vector) => cut(vector, order, dimensions)) : vectors;
        return toComputed({ dimensions, vectors: wanted }, ran, computedTokens);
      },
    });
    return { usage, dimensions: results.dimensions, vectors: results.vectors };
  };

  async function vectorsOf(
    { model, sequences }: Tokenized,
    { normalize, priority }: EmbedOrder,
    context: CallContext,
  ) {
    let ran: Ran | undefined;
    let computedTokens = 0;
    const job = jobOf(model, { priority }, context);
    // Others may wait for this computation too: it outlives the caller who began it, within a time of its own.
    const compute = async (
      places: readonly number[],
      signal: AbortSignal,
    ): Promise<ComputedVectors> => {
      computedTokens = tokensAt(places, sequences);
      const deadlineAtMs = clock.nowMs() + computeMsMax;
      const answer = await inference.embed(
        {
          job,
          normalize,
          sequences: places.map((place) => ({ ids: sequences[place]?.ids ?? [] })),
        },
        { ...context, signal, deadlineAtMs },
      );
      ran = answer.ran;
      return {
        revision: ran?.revision ?? "",
        dimensions: answer.dimensions,
        vectors: toFloat32(answer.vectors),
      };
    };
    const { name, version, revision } = model;
    // Revisions tell versions of one model apart over time, not models: copies of a folder may share theirs.
    const options = `${normalize ? "unit" : "raw"} ${version} ${name}`;
    const ids = sequences.map((sequence) => sequence.ids);
    const vectors = await cache.get(
      { revision, options, sequences: ids, signal: context.signal },
      compute,
    );
    return { vectors, ran, computedTokens };
  }
}

/** A sequence that stands in a request twice is computed once. */
function tokensAt(places: readonly number[], sequences: Tokenized["sequences"]): number {
  return places.reduce((sum, place) => sum + (sequences[place]?.ids.length ?? 0), 0);
}

function requireDimensions(model: Model, { dimensions }: EmbedOrder): void {
  if (dimensions === 0) throw refusal("invalid", "dimensions", "`dimensions` should be positive");
  if ((dimensions ?? 0) <= model.dimensions) return;
  const reason = "`dimensions` should be smaller than the maximum embedding dimension.";
  throw refusal("invalid", "dimensions", reason);
}

/** The first dimensions of a vector, with length 1 again if it had it. */
function cut(vector: Float32Array, { normalize }: EmbedOrder, dimensions: number): Float32Array {
  const part = vector.slice(0, dimensions);
  const scale = normalize ? 1 / (Math.hypot(...part) || 1) : 1;
  return part.map((value) => value * scale);
}
