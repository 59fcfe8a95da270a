// The Generic Cell Rate Algorithm, virtual scheduling form (ITU-T Recommendation I.371, annex A): a token bucket whose
// whole state is one time, the theoretical arrival time, at which the bucket is full again.
//
// Every sum is over whole numbers, so nothing is lost to rounding however long a bucket lives. They count parts of a
// unit: one unit costs `windowMs` parts, and each millisecond pays back `perWindow` of them. gcra.lua does the same.

import type { Counter } from "./counter.js";
import type { TokenBucketQuota } from "./quota.js";

/** Up to here sums of parts are exact in JavaScript and in Lua, with room for one addition. */
export const capacityPartsMax = 2 ** 52;

/** A bucket that is refilled evenly. */
export class TokenBucket implements Counter {
  readonly #quota: TokenBucketQuota;
  /** When it is full again: whole milliseconds, and `#arrivalParts / perWindow` of one more. */
  #arrivalMs = 0;
  #arrivalParts = 0;

  constructor(quota: TokenBucketQuota) {
    this.#quota = quota;
  }

  remaining(nowMs: number): number {
    return Math.floor((capacityOf(this.#quota) - this.#debtAt(nowMs)) / this.#quota.windowMs);
  }

  resetMs(nowMs: number): number {
    return Math.ceil(this.#debtAt(nowMs) / this.#quota.perWindow);
  }

  waitMs(nowMs: number, amount: number): number | undefined {
    const { burst, windowMs, perWindow } = this.#quota;
    if (amount > burst) return undefined;
    const over = this.#debtAt(nowMs) + (amount - burst) * windowMs;
    return over <= 0 ? 0 : Math.ceil(over / perWindow);
  }

  spend(nowMs: number, amount: number): void {
    this.#owe(this.#debtAt(nowMs) + amount * this.#quota.windowMs, nowMs);
  }

  /** A bucket is never more than full. */
  giveBack(nowMs: number, amount: number): void {
    this.restore(nowMs, amount);
  }

  restore(nowMs: number, amount: number): void {
    this.#owe(Math.max(0, this.#debtAt(nowMs) - amount * this.#quota.windowMs), nowMs);
  }

  idleAtMs(): number {
    return this.#arrivalParts === 0 ? this.#arrivalMs : this.#arrivalMs + 1;
  }

  /** What was spent and has not come back yet, in parts. */
  #debtAt(nowMs: number): number {
    return Math.max(0, (this.#arrivalMs - nowMs) * this.#quota.perWindow + this.#arrivalParts);
  }

  #owe(debt: number, nowMs: number): void {
    this.#arrivalParts = debt % this.#quota.perWindow;
    this.#arrivalMs = nowMs + (debt - this.#arrivalParts) / this.#quota.perWindow;
  }
}

/**
 * The quota of `units` in each window, `burst` at once, in smallest terms, because its sums grow with both numbers;
 * undefined where they would not be exact.
 */
export function tokenBucketOf(terms: {
  readonly units: number;
  readonly windowMs: number;
  readonly burst: number;
}): TokenBucketQuota | undefined {
  const { units, windowMs, burst } = terms;
  const divisor = greatestCommonDivisor(units, windowMs);
  const quota: TokenBucketQuota = {
    algorithm: "token_bucket",
    perWindow: units / divisor,
    windowMs: windowMs / divisor,
    burst,
  };
  return capacityOf(quota) <= capacityPartsMax ? quota : undefined;
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}

/** The parts that a full bucket holds. */
export function capacityOf({ burst, windowMs }: TokenBucketQuota): number {
  return burst * windowMs;
}
