import { availableParallelism } from "node:os";
import type { ModelSpec } from "../../../lib/model-spec.js";
import type { SchedulerLimits } from "../batching/scheduler.js";
import type { InferenceConfig } from "../config.js";
import type { SlotSize } from "../workers/batch-slot.js";

/**
 * Batches by kind of device. On CPUs a batch of a thousand tokens costs as much a token as a small one, and small ones
 * keep every core busy. GPUs want many tokens at once.
 */
const batchDefaults = {
  cpu: { sequences: 16, tokens: 1_024, overheadTokens: 8 },
  gpu: { sequences: 64, tokens: 16_384, overheadTokens: 2_048 },
} as const;

export function schedulerLimits(
  config: InferenceConfig,
  spec: ModelSpec,
  provider: string,
): SchedulerLimits {
  const defaults = batchDefaults[provider === "cpu" ? "cpu" : "gpu"];
  const { queueMax, queueMsMax, bulkWaitMsMax } = config;
  return {
    batchSequencesMax: config.batchSequencesMax || defaults.sequences,
    batchTokensMax: Math.max(config.batchTokensMax || defaults.tokens, longest(spec)),
    batchOverheadTokens: config.batchOverheadTokens || defaults.overheadTokens,
    queueMax,
    queueMsMax,
    bulkWaitMsMax,
  };
}

/** Room for whatever a full batch may ask of the model. */
export function slotSize(spec: ModelSpec, limits: SchedulerLimits): SlotSize {
  const { batchSequencesMax, batchTokensMax } = limits;
  return { batchSequencesMax, batchTokensMax, resultsMax: resultsMax(spec, limits) };
}

function resultsMax(
  spec: ModelSpec,
  { batchSequencesMax, batchTokensMax }: SchedulerLimits,
): number {
  switch (spec.task) {
    case "embedding": {
      const widest = Math.max(spec.dimensions, ...spec.heads.map((head) => head.labels.length));
      return Math.max(batchTokensMax * spec.hiddenSize, batchSequencesMax * widest);
    }
    case "classification":
    case "reranking":
      return batchSequencesMax * spec.labels.length;
    case "sparse":
      return batchSequencesMax * spec.vocabularySize * 2;
    case "tensors":
      return 0;
  }
}

function longest(spec: ModelSpec): number {
  return spec.task === "tensors" ? 1 : spec.tokensMax;
}

/** Worker threads, and the intra-op threads of each. */
export interface Split {
  readonly workers: number;
  readonly threads: number;
}

/** The ways to share this machine that are worth measuring; one of them when the settings leave no choice. */
export function splitsOf(
  { workers, threadsPerWorker }: Pick<InferenceConfig, "workers" | "threadsPerWorker">,
  provider: string,
  cores = availableParallelism(),
): readonly [Split, ...Split[]] {
  const shareOf = (parts: number): number => Math.max(1, Math.floor(cores / parts));
  if (workers > 0) return [{ workers, threads: threadsPerWorker || shareOf(workers) }];
  if (threadsPerWorker > 0) {
    return [{ workers: shareOf(threadsPerWorker), threads: threadsPerWorker }];
  }
  // One stream of work keeps a GPU busy; its session needs few threads.
  if (provider !== "cpu") return [{ workers: 1, threads: 1 }];
  const threads = [2, 4].filter((count) => count <= cores);
  return [
    { workers: cores, threads: 1 },
    ...threads.map((count) => ({ workers: shareOf(count), threads: count })),
  ];
}
