import type { Counter } from "./counter.js";
import type { ConcurrencyQuota } from "./quota.js";

/** Counts what is held now. Whoever holds it gives it back: the store, when a reservation ends in any way. */
export class ConcurrencySlots implements Counter {
  readonly #quota: ConcurrencyQuota;
  #held = 0;

  constructor(quota: ConcurrencyQuota) {
    this.#quota = quota;
  }

  remaining(): number {
    return this.#quota.slots - this.#held;
  }

  /** Only giving back fills it. */
  resetMs(): number {
    return 0;
  }

  /** Nobody knows when others give back, so a full counter asks to retry after a second. */
  waitMs(_nowMs: number, amount: number): number | undefined {
    const { slots } = this.#quota;
    if (amount > slots) return undefined;
    return this.#held + amount <= slots ? 0 : retryMs;
  }

  spend(_nowMs: number, amount: number): void {
    this.#held += amount;
  }

  giveBack(nowMs: number, amount: number): void {
    this.restore(nowMs, amount);
  }

  restore(_nowMs: number, amount: number): void {
    this.#held = Math.max(0, this.#held - amount);
  }

  idleAtMs(): number {
    return this.#held === 0 ? 0 : Number.POSITIVE_INFINITY;
  }
}

const retryMs = 1_000;
