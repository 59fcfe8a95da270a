/** How much may be spent when. All numbers are whole and at least 1. */
export type Quota = TokenBucketQuota | WindowQuota | ConcurrencyQuota;

/** `burst` units at once, refilled by `perWindow` units every `windowMs`, evenly (GCRA, ITU-T I.371). */
export interface TokenBucketQuota {
  readonly algorithm: "token_bucket";
  readonly perWindow: number;
  readonly windowMs: number;
  readonly burst: number;
}

/**
 * `units` in each window of `windowMs`. Sliding: in any window, wherever it begins, where a unit counts up to 1/64 of
 * the window longer than it should. Fixed: in each window that begins at a multiple of its length since 1970.
 */
export interface WindowQuota {
  readonly algorithm: "sliding_window" | "fixed_window";
  readonly units: number;
  readonly windowMs: number;
}

/** `slots` held at the same time, each until it is given back or its lease ends. */
export interface ConcurrencyQuota {
  readonly algorithm: "concurrency";
  readonly slots: number;
}

/** A year: the longest window that a rule may have. */
export const windowMsMax = 365 * 86_400_000;

/** The most that can be spent at once. */
export function unitsMaxOf(quota: Quota): number {
  switch (quota.algorithm) {
    case "token_bucket":
      return quota.burst;
    case "concurrency":
      return quota.slots;
    default:
      return quota.units;
  }
}

/** Milliseconds in which an empty quota is full again; undefined where only giving back fills it. */
export function refillMsOf(quota: Quota): number | undefined {
  switch (quota.algorithm) {
    case "token_bucket":
      return Math.ceil((quota.burst * quota.windowMs) / quota.perWindow);
    case "concurrency":
      return undefined;
    default:
      return quota.windowMs;
  }
}
