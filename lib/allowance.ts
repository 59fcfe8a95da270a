import type { Clock } from "./clock.js";

/** A token bucket: `count` acts at once, and so many again in every `everyMs`. */
export class Allowance {
  readonly #clock: Clock;
  readonly #count: number;
  readonly #perMs: number;
  #left: number;
  #atMs: number;

  constructor(clock: Clock, limit: { readonly count: number; readonly everyMs: number }) {
    this.#clock = clock;
    this.#count = limit.count;
    this.#perMs = limit.count / limit.everyMs;
    this.#left = limit.count;
    this.#atMs = clock.nowMs();
  }

  /** Whether one more may be done now; if so, it counts as done. */
  take(): boolean {
    const nowMs = this.#clock.nowMs();
    this.#left = Math.min(this.#count, this.#left + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
