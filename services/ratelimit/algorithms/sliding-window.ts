import type { Counter } from "./counter.js";
import type { WindowQuota } from "./quota.js";

/** Parts of a window; spending is remembered by part, so a unit counts up to one part longer than the window. */
const parts = 64;

/** Counts over the window that ends now: the part that has begun and the 64 before it. */
export class SlidingWindow implements Counter {
  readonly #quota: WindowQuota;
  /**
   * Pairs of a part of time and the units spent in it, oldest first; at most 65 pairs. One list of numbers takes much
   * less memory than an object for each pair.
   */
  #spent: number[] = [];
  #total = 0;

  constructor(quota: WindowQuota) {
    this.#quota = quota;
  }

  remaining(nowMs: number): number {
    this.#forget(nowMs);
    return this.#quota.units - this.#total;
  }

  resetMs(nowMs: number): number {
    return Math.max(0, this.idleAtMs() - nowMs);
  }

  waitMs(nowMs: number, amount: number): number | undefined {
    const { units } = this.#quota;
    if (amount > units) return undefined;
    this.#forget(nowMs);
    return this.#total + amount <= units ? 0 : this.#untilFreeMs(nowMs, amount);
  }

  spend(nowMs: number, amount: number): void {
    this.#forget(nowMs);
    const part = this.#partAt(nowMs);
    const newest = this.#spent.length - 2;
    if (this.#spent[newest] === part) this.#spent[newest + 1] = this.#at(newest + 1) + amount;
    // A list that begins with a pair has no room to spare, which is all that most keys need.
    else if (newest < 0) this.#spent = [part, amount];
    else this.#spent.push(part, amount);
    this.#total += amount;
  }

  giveBack(nowMs: number, amount: number, spentAtMs: number): void {
    this.#forget(nowMs);
    const part = this.#partAt(spentAtMs);
    for (let index = this.#spent.length - 2; index >= 0; index -= 2) {
      if (this.#spent[index] === part) this.#take(index, amount);
    }
  }

  restore(nowMs: number, amount: number): void {
    this.#forget(nowMs);
    let left = amount;
    for (let index = this.#spent.length - 2; index >= 0 && left > 0; index -= 2) {
      left -= this.#take(index, left);
    }
  }

  idleAtMs(): number {
    const newest = this.#spent[this.#spent.length - 2];
    return newest === undefined ? 0 : this.#endMs(newest);
  }

  /** Until enough of the oldest parts have left. */
  #untilFreeMs(nowMs: number, amount: number): number {
    let over = this.#total + amount - this.#quota.units;
    let index = 0;
    for (; over > 0; index += 2) over -= this.#at(index + 1);
    return this.#endMs(this.#at(index - 2)) - nowMs;
  }

  #forget(nowMs: number): void {
    let left = 0;
    for (; left < this.#spent.length; left += 2) {
      if (this.#endMs(this.#at(left)) > nowMs) break;
      this.#total -= this.#at(left + 1);
    }
    if (left > 0) this.#spent.splice(0, left);
  }

  /** Of the pair: `amount` at most. Answers how much it was. */
  #take(index: number, amount: number): number {
    const units = this.#at(index + 1);
    const taken = Math.min(amount, units);
    if (taken === units) this.#spent.splice(index, 2);
    else this.#spent[index + 1] = units - taken;
    this.#total -= taken;
    return taken;
  }

  /** Only asked for places within the list. */
  #at(index: number): number {
    return this.#spent[index] ?? 0;
  }

  #partAt(timeMs: number): number {
    return Math.floor((timeMs * parts) / this.#quota.windowMs);
  }

  /** The first millisecond in which nothing of the part counts any more. */
  #endMs(part: number): number {
    return Math.ceil(((part + parts + 1) * this.#quota.windowMs) / parts);
  }
}
