import { ConcurrencySlots } from "./concurrency-slots.js";
import { FixedWindow } from "./fixed-window.js";
import type { Quota } from "./quota.js";
import { SlidingWindow } from "./sliding-window.js";
import { TokenBucket } from "./token-bucket.js";

/**
 * What one key has spent of its quota. Time comes in with each call, in whole milliseconds since 1970 by a clock that
 * never goes back. decide.lua keeps the same counters in Redis.
 */
export interface Counter {
  /** Whole units that could be spent now. */
  remaining(nowMs: number): number;
  /** Milliseconds until all of the quota is there again, if nothing more is spent. */
  resetMs(nowMs: number): number;
  /** Milliseconds until the amount would fit: 0 now, undefined never, because it is over the quota. */
  waitMs(nowMs: number, amount: number): number | undefined;
  /** Of at least one unit. The caller has seen that it fits. */
  spend(nowMs: number, amount: number): void;
  /** Takes back a part of what was spent at `spentAtMs`, unless it has come back by itself since. */
  giveBack(nowMs: number, amount: number, spentAtMs: number): void;
  /** Takes back what was spent last, whenever that was: `amount` at most, and never more than was spent. */
  restore(nowMs: number, amount: number): void;
  /** From when on the counter is as new, if nothing more happens: it can be forgotten then. */
  idleAtMs(): number;
}

/** A counter that has spent nothing. */
export function createCounter(quota: Quota): Counter {
  switch (quota.algorithm) {
    case "token_bucket":
      return new TokenBucket(quota);
    case "sliding_window":
      return new SlidingWindow(quota);
    case "fixed_window":
      return new FixedWindow(quota);
    case "concurrency":
      return new ConcurrencySlots(quota);
  }
}
