import { type Model, type Ran, Task } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { Clock } from "../../../lib/clock.js";
import type { CallContext } from "../../../lib/rpc/call.js";
import type { CallSignal } from "../../../lib/rpc/call-signal.js";
import { inSpan } from "../../../lib/tracing/in-span.js";
import type { Fitness } from "../model-directory.js";
import type { Computed as ComputedVectors, VectorCache } from "../vector-cache.js";
import type { EmbedCall } from "./embed-call.js";
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
  /** Whether the next request for the same inputs is likely to be answered by the very same objects. */
  readonly areRemembered: boolean;
}

export type Embed = (order: EmbedOrder, context: CallContext) => Promise<Embedded>;

export interface EmbedDeps {
  readonly work: Work;
  readonly call: EmbedCall;
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
export function createEmbed({ work, call, cache, clock, computeMsMax }: EmbedDeps): Embed {
  return async (order, context) => {
    const { results, usage, isComputed } = await work(order, context, {
      operation: "embed",
      fitness: makesVectors,
      validate: (model) => requireDimensions(model, order),
      async compute(tokenized, context) {
        const { dimensions = tokenized.model.dimensions } = order;
        context.trace.set("gen_ai.embeddings.dimension.count", dimensions);
        const { vectors, ran, computedTokens } = await inSpan("cache", context, (inner) =>
          vectorsOf(tokenized, order, inner),
        );
        return toComputed(vectors, ran, computedTokens);
      },
      finish(vectors, { model }) {
        const { dimensions = model.dimensions } = order;
        const isCut = dimensions < model.dimensions;
        return {
          dimensions,
          isCut,
          vectors: isCut ? vectors.map((vector) => cut(vector, order, dimensions)) : vectors,
        };
      },
    });
    const { dimensions, vectors, isCut } = results;
    return { usage, dimensions, vectors, areRemembered: !isComputed && !isCut };
  };

  async function vectorsOf(
    { model, sequences }: Tokenized,
    { normalize, priority }: EmbedOrder,
    context: CallContext,
  ) {
    let ran: Ran | undefined;
    let computedTokens = 0;
    let computedInputs = 0;
    const job = jobOf(model, { priority }, context);
    // Others may wait for this computation too: it outlives the caller who began it, within a time of its own.
    const compute = async (
      places: readonly number[],
      signal: CallSignal,
    ): Promise<ComputedVectors> => {
      computedTokens = tokensAt(places, sequences);
      computedInputs = places.length;
      const deadlineAtMs = clock.nowMs() + computeMsMax;
      const answer = await call(
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
      { revision, options, sequences: ids, signal: context.signal, trace: context.trace },
      compute,
    );
    if (context.callRecord !== undefined) {
      context.callRecord.cachedInputs += sequences.length - computedInputs;
    }
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
