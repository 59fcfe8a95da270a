// What each quota promises, written down as plainly as possible: no code is shared with ../algorithms.

import type {
  ConcurrencyQuota,
  Quota,
  TokenBucketQuota,
  WindowQuota,
} from "../algorithms/quota.js";

/** From the first to the last that is right. Both are the same but for sliding windows, which may count a bit longer. */
export type Range = readonly [least: number, most: number];

/** What was spent at once of one counter. */
export interface Spent {
  readonly atMs: number;
  /** What of it has not been given back. */
  units: number;
}

/** One counter of the reference. Time comes in with each call and never goes back. */
export interface ModelCounter {
  readonly unitsMax: number;
  remaining(nowMs: number): Range;
  resetMs(nowMs: number): Range;
  /** Until the amount, which is not over the quota, fits: 0 is now. */
  waitMs(nowMs: number, amount: number): Range;
  spend(nowMs: number, amount: number): Spent;
  giveBack(nowMs: number, spent: Spent, amount: number): void;
  /** Takes back what was spent last. */
  restore(nowMs: number, amount: number): void;
}

export function createModelCounter(quota: Quota): ModelCounter {
  switch (quota.algorithm) {
    case "token_bucket":
      return new LevelCounter(quota);
    case "sliding_window":
      return new SlidingCounter(quota);
    case "fixed_window":
      return new FixedCounter(quota);
    case "concurrency":
      return new SlotCounter(quota);
  }
}

/** A level, counted in parts of a unit and refilled one millisecond after another. */
class LevelCounter implements ModelCounter {
  readonly unitsMax: number;
  readonly #unitParts: number;
  readonly #partsPerMs: number;
  readonly #full: number;
  #level: number;
  #levelAtMs = 0;

  constructor({ burst, windowMs, perWindow }: TokenBucketQuota) {
    this.unitsMax = burst;
    this.#unitParts = windowMs;
    this.#partsPerMs = perWindow;
    this.#full = burst * windowMs;
    this.#level = this.#full;
  }

  remaining(nowMs: number): Range {
    this.#refill(nowMs);
    return exactly(Math.floor(this.#level / this.#unitParts));
  }

  resetMs(nowMs: number): Range {
    return this.waitMs(nowMs, this.unitsMax);
  }

  waitMs(nowMs: number, amount: number): Range {
    this.#refill(nowMs);
    let level = this.#level;
    let waitMs = 0;
    for (; level < amount * this.#unitParts; waitMs += 1) level += this.#partsPerMs;
    return exactly(waitMs);
  }

  spend(nowMs: number, amount: number): Spent {
    this.#refill(nowMs);
    this.#level -= amount * this.#unitParts;
    return { atMs: nowMs, units: amount };
  }

  giveBack(nowMs: number, _spent: Spent, amount: number): void {
    this.restore(nowMs, amount);
  }

  restore(nowMs: number, amount: number): void {
    this.#refill(nowMs);
    this.#level = Math.min(this.#full, this.#level + amount * this.#unitParts);
  }

  #refill(nowMs: number): void {
    for (; this.#levelAtMs < nowMs && this.#level < this.#full; this.#levelAtMs += 1) {
      this.#level = Math.min(this.#full, this.#level + this.#partsPerMs);
    }
    this.#levelAtMs = nowMs;
  }
}

/** A list of everything that was ever spent. */
abstract class ListCounter {
  protected readonly list: Spent[] = [];

  spend(nowMs: number, amount: number): Spent {
    const spent = { atMs: nowMs, units: amount };
    this.list.push(spent);
    return spent;
  }

  giveBack(_nowMs: number, spent: Spent, amount: number): void {
    spent.units -= amount;
  }

  restore(nowMs: number, amount: number): void {
    let left = amount;
    for (const spent of this.list.filter((each) => this.countsAt(each, nowMs)).reverse()) {
      const units = Math.min(left, spent.units);
      spent.units -= units;
      left -= units;
    }
  }

  /** Whether it may still count. */
  protected abstract countsAt(spent: Spent, nowMs: number): boolean;

  protected unitsOf(counts: (spent: Spent) => boolean): number {
    return this.list.filter(counts).reduce((sum, { units }) => sum + units, 0);
  }
}

/** A unit counts for at least the window, and for at most 65/64 of it. */
class SlidingCounter extends ListCounter implements ModelCounter {
  readonly unitsMax: number;
  readonly #countsMs: Range;

  constructor({ units, windowMs }: WindowQuota) {
    super();
    this.unitsMax = units;
    this.#countsMs = [windowMs, Math.ceil((windowMs * 65) / 64)];
  }

  remaining(nowMs: number): Range {
    const [shortMs, longMs] = this.#countsMs;
    return [this.#roomAt(nowMs, longMs), this.#roomAt(nowMs, shortMs)];
  }

  resetMs(nowMs: number): Range {
    return this.waitMs(nowMs, this.unitsMax);
  }

  waitMs(nowMs: number, amount: number): Range {
    const [shortMs, longMs] = this.#countsMs;
    return [this.#waitMs(nowMs, amount, shortMs), this.#waitMs(nowMs, amount, longMs)];
  }

  protected countsAt({ atMs }: Spent, nowMs: number): boolean {
    return atMs + this.#countsMs[1] > nowMs;
  }

  #waitMs(nowMs: number, amount: number, countsMs: number): number {
    const ends = this.list.map(({ atMs }) => atMs + countsMs).filter((endMs) => endMs > nowMs);
    const fitsAtMs = [nowMs, ...ends].find((atMs) => this.#roomAt(atMs, countsMs) >= amount);
    return (fitsAtMs ?? Number.POSITIVE_INFINITY) - nowMs;
  }

  #roomAt(atMs: number, countsMs: number): number {
    return this.unitsMax - this.unitsOf((spent) => spent.atMs + countsMs > atMs);
  }
}

/** What was spent since the last multiple of the window counts. */
class FixedCounter extends ListCounter implements ModelCounter {
  readonly unitsMax: number;
  readonly #windowMs: number;

  constructor({ units, windowMs }: WindowQuota) {
    super();
    this.unitsMax = units;
    this.#windowMs = windowMs;
  }

  remaining(nowMs: number): Range {
    return exactly(this.unitsMax - this.unitsOf((spent) => this.countsAt(spent, nowMs)));
  }

  resetMs(nowMs: number): Range {
    return this.waitMs(nowMs, this.unitsMax);
  }

  waitMs(nowMs: number, amount: number): Range {
    const nextMs = (Math.floor(nowMs / this.#windowMs) + 1) * this.#windowMs;
    return exactly(this.remaining(nowMs)[0] >= amount ? 0 : nextMs - nowMs);
  }

  protected countsAt({ atMs }: Spent, nowMs: number): boolean {
    return Math.floor(atMs / this.#windowMs) === Math.floor(nowMs / this.#windowMs);
  }
}

/** What has not been given back is held. */
class SlotCounter extends ListCounter implements ModelCounter {
  readonly unitsMax: number;

  constructor({ slots }: ConcurrencyQuota) {
    super();
    this.unitsMax = slots;
  }

  remaining(): Range {
    return exactly(this.unitsMax - this.unitsOf(() => true));
  }

  resetMs(): Range {
    return exactly(0);
  }

  waitMs(_nowMs: number, amount: number): Range {
    return exactly(this.remaining()[0] >= amount ? 0 : 1_000);
  }

  protected countsAt(): boolean {
    return true;
  }
}

function exactly(value: number): Range {
  return [value, value];
}
