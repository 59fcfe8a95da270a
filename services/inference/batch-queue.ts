import { assert } from "../../lib/assert.js";

export interface BatchLimits {
  readonly batchSequencesMax: number;
  readonly batchTokensMax: number;
  readonly queueMax: number;
}

/** One sequence that waits for the model. */
export interface Waiting {
  readonly tokenCount: number;
}

/**
 * Decides which waiting sequences run together. It reads no clock and starts nothing, so every rule below is a
 * plain test; the workers live in batch-runner.ts.
 */
export class BatchQueue<T extends Waiting> {
  readonly #limits: BatchLimits;
  /** In order of arrival. */
  #waiting: T[] = [];

  constructor(limits: BatchLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#waiting.length;
  }

  /**
   * Admits all items or none: a call is never half accepted. Full means `queueMax` items wait already, so the queue
   * is bounded by `queueMax` plus one call. Returns false when full: shedding now beats answering late.
   */
  offer(items: readonly T[]): boolean {
    if (this.#waiting.length >= this.#limits.queueMax) return false;
    for (const item of items) {
      assert(item.tokenCount > 0 && item.tokenCount <= this.#limits.batchTokensMax);
      this.#waiting.push(item);
    }
    return true;
  }

  /** Puts the items of a lost batch back to the front; they were admitted before. */
  putBack(items: readonly T[]): void {
    this.#waiting.unshift(...items);
  }

  /** Forgets items, because nobody wants their result any more. */
  remove(isUnwanted: (item: T) => boolean): void {
    this.#waiting = this.#waiting.filter((item) => !isUnwanted(item));
  }

  /**
   * The next batch for one of `idleWorkers`, or an empty one if nothing waits. What waits is split over the idle
   * workers. The oldest item always goes; those closest to it in length join it, because padding costs as much as
   * tokens do.
   */
  take(idleWorkers: number): T[] {
    const oldest = this.#waiting[0];
    if (oldest === undefined || idleWorkers < 1) return [];
    const share = Math.ceil(this.#waiting.length / idleWorkers);
    const batch = this.#neighbours(oldest, Math.min(share, this.#limits.batchSequencesMax));
    this.#waiting = this.#waiting.filter((item) => !batch.has(item));
    return [...batch];
  }

  /** The oldest item and up to `sizeMax - 1` others of nearest length, within the budget of padded tokens. */
  #neighbours(oldest: T, sizeMax: number): Set<T> {
    const distance = (item: T): number => Math.abs(item.tokenCount - oldest.tokenCount);
    // Sorting is stable: of equal lengths the older ones come first, and `oldest` before all.
    const nearest = this.#waiting.toSorted((a, b) => distance(a) - distance(b));
    const batch = new Set<T>();
    let longest = 0;
    for (const item of nearest) {
      if (batch.size === sizeMax) break;
      const padded = Math.max(longest, item.tokenCount) * (batch.size + 1);
      if (padded > this.#limits.batchTokensMax) break;
      longest = Math.max(longest, item.tokenCount);
      batch.add(item);
    }
    return batch;
  }
}
