import type { Counter } from "./counter.js";
import type { WindowQuota } from "./quota.js";

/** Counts from one multiple of the window's length to the next, as envoyproxy/ratelimit does. */
export class FixedWindow implements Counter {
  readonly #quota: WindowQuota;
  #window = 0;
  #spent = 0;

  constructor(quota: WindowQuota) {
    this.#quota = quota;
  }

  remaining(nowMs: number): number {
    return this.#quota.units - this.#spentAt(nowMs);
  }

  resetMs(nowMs: number): number {
    return this.#spentAt(nowMs) === 0 ? 0 : this.#untilNextMs(nowMs);
  }

  waitMs(nowMs: number, amount: number): number | undefined {
    const { units } = this.#quota;
    if (amount > units) return undefined;
    return this.#spentAt(nowMs) + amount <= units ? 0 : this.#untilNextMs(nowMs);
  }

  spend(nowMs: number, amount: number): void {
    this.#spent = this.#spentAt(nowMs) + amount;
    this.#window = this.#windowAt(nowMs);
  }

  giveBack(nowMs: number, amount: number, spentAtMs: number): void {
    if (this.#windowAt(spentAtMs) === this.#windowAt(nowMs)) this.restore(nowMs, amount);
  }

  restore(nowMs: number, amount: number): void {
    this.#spent = Math.max(0, this.#spentAt(nowMs) - amount);
  }

  idleAtMs(): number {
    return this.#spent === 0 ? 0 : (this.#window + 1) * this.#quota.windowMs;
  }

  #spentAt(nowMs: number): number {
    return this.#windowAt(nowMs) === this.#window ? this.#spent : 0;
  }

  #untilNextMs(nowMs: number): number {
    return this.#quota.windowMs - (nowMs % this.#quota.windowMs);
  }

  #windowAt(timeMs: number): number {
    return Math.floor(timeMs / this.#quota.windowMs);
  }
}
