import type { Duration, ModelStatistics } from "./served-model.js";

/** Counts how often and how long one model ran, since it was loaded. */
export class Statistics implements ModelStatistics {
  inferenceCount = 0;
  executionCount = 0;
  lastInferenceAtMs = 0;
  success: Duration = none;
  failure: Duration = none;
  queue: Duration = none;
  compute: Duration = none;

  /** A call was answered or failed, so long after it arrived. */
  ended(isSuccess: boolean, tookMs: number): void {
    if (isSuccess) this.success = plus(this.success, tookMs);
    else this.failure = plus(this.failure, tookMs);
  }

  /** A sequence left the queue. */
  queued(waitedMs: number): void {
    this.queue = plus(this.queue, waitedMs);
  }

  /** A batch ran. */
  ran(sequences: number, computeMs: number, dateMs: number): void {
    this.inferenceCount += sequences;
    this.executionCount += 1;
    this.lastInferenceAtMs = dateMs;
    this.compute = plus(this.compute, computeMs);
  }
}

const none: Duration = { count: 0, ns: 0 };

function plus({ count, ns }: Duration, addedMs: number): Duration {
  return { count: count + 1, ns: ns + Math.round(addedMs * 1e6) };
}
