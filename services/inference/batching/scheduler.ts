import { assert } from "../../../lib/assert.js";

export interface SchedulerLimits {
  readonly batchSequencesMax: number;
  /** Padded tokens: longest sequence times sequences. */
  readonly batchTokensMax: number;
  /** Sequences that may wait; full means refused. */
  readonly queueMax: number;
  /** A sequence that has waited for longer is given up. */
  readonly queueMsMax: number;
  /** Bulk that has waited for longer gets its turn among what is interactive. */
  readonly bulkWaitMsMax: number;
  /** What starting one more batch costs, in tokens: padding up to that is cheaper than a batch of its own. */
  readonly batchOverheadTokens: number;
}

/** One piece of work that waits for the model. */
export interface Waiting {
  readonly tokenCount: number;
  readonly isBulk: boolean;
  /** Callers share the model's time evenly. */
  readonly caller: string;
  /** Never joins others: a request of raw tensors. */
  readonly isAlone: boolean;
  readonly arrivedAtMs: number;
}

/** What runs the batches. */
export interface Machine {
  readonly workers: number;
  /** Sequences that workers have already. */
  readonly running: number;
}

/** Of so many batches, one is for bulk that has waited too long. */
const agedBulkTurns = 4;
/** Those who may join a batch are among the next so many batches' worth, which bounds how far one overtakes. */
const lookaheadBatches = 8;
/** Callers with nothing in line whose share is remembered; one that is forgotten starts like everybody new. */
const awayCallersMax = 1_024;

/**
 * Decides which waiting sequences run together. It reads no clock and starts nothing: state in, time in, decision out.
 * The workers live in batch-runner.ts.
 */
export class Scheduler<T extends Waiting> {
  readonly #limits: SchedulerLimits;
  readonly #interactive = new Lane<T>();
  readonly #bulk = new Lane<T>();
  /** Batches of interactive work since bulk had a turn. */
  #turnsSinceBulk = 0;

  constructor(limits: SchedulerLimits) {
    this.#limits = limits;
  }

  get length(): number {
    return this.#interactive.length + this.#bulk.length;
  }

  /** Callers whose share is remembered: those who wait, and a bounded number of others. */
  get callerCount(): number {
    return this.#interactive.callerCount + this.#bulk.callerCount;
  }

  /**
   * Admits all items or none: a call is never half accepted. Full means `queueMax` items wait already, so the queue
   * is bounded by `queueMax` plus one call. Returns false when full: shedding now beats answering late.
   */
  offer(items: readonly T[]): boolean {
    if (this.length >= this.#limits.queueMax) return false;
    for (const item of items) {
      assert(item.isAlone || item.tokenCount <= this.#limits.batchTokensMax);
      this.#laneOf(item).add(item);
    }
    return true;
  }

  /** Puts the items of a batch that did not run back to the front; they were admitted before. */
  putBack(items: readonly T[]): void {
    for (const item of items.toReversed()) this.#laneOf(item).addFirst(item);
  }

  /** Forgets items, because nobody wants their result any more. */
  remove(isUnwanted: (item: T) => boolean): void {
    this.#interactive.remove(isUnwanted);
    this.#bulk.remove(isUnwanted);
  }

  /** Takes out what has waited too long. */
  expire(nowMs: number): T[] {
    const isLate = (item: T): boolean => nowMs - item.arrivedAtMs >= this.#limits.queueMsMax;
    return [...this.#interactive.remove(isLate), ...this.#bulk.remove(isLate)];
  }

  /** When something that waits now will have waited too long; undefined when nothing waits. */
  expiresAtMs(): number | undefined {
    const oldest = Math.min(this.#interactive.oldestMs(), this.#bulk.oldestMs());
    return oldest === Number.POSITIVE_INFINITY ? undefined : oldest + this.#limits.queueMsMax;
  }

  /**
   * The next batch, or an empty one if nothing waits. It is at most an even share, by `workers`, of all that waits and
   * of the sequences that run already: what one worker takes above that, another will miss. The first in line always
   * goes; those closest to it in length join it, as long as the padding they cause costs less than the batches they save.
   */
  take(nowMs: number, { workers, running }: Machine): T[] {
    if (this.length === 0) return [];
    const share = Math.ceil((this.length + running) / workers);
    const sizeMax = Math.min(share, this.#limits.batchSequencesMax);
    const first = this.#nextLane(nowMs);
    const second = first === this.#bulk ? this.#interactive : this.#bulk;
    this.#turnsSinceBulk = first === this.#bulk ? 0 : this.#turnsSinceBulk + 1;

    const lookahead = sizeMax * lookaheadBatches;
    const candidates = first.peek(lookahead);
    // Bulk fills what interactive work leaves free, never the other way around: that would delay who has waited.
    if (first !== this.#bulk) candidates.push(...second.peek(lookahead - candidates.length));
    const batch = this.#join(candidates, sizeMax);
    first.take(batch);
    second.take(batch);
    return [...batch].map((entry) => entry.item);
  }

  #laneOf(item: T): Lane<T> {
    return item.isBulk ? this.#bulk : this.#interactive;
  }

  /** Interactive work goes first, except that bulk which is too old gets one turn of `agedBulkTurns`. */
  #nextLane(nowMs: number): Lane<T> {
    if (this.#bulk.length === 0) return this.#interactive;
    if (this.#interactive.length === 0) return this.#bulk;
    const isAged = nowMs - this.#bulk.oldestMs() >= this.#limits.bulkWaitMsMax;
    return isAged && this.#turnsSinceBulk >= agedBulkTurns - 1 ? this.#bulk : this.#interactive;
  }

  #join(candidates: readonly Entry<T>[], sizeMax: number): Set<Entry<T>> {
    const leader = candidates[0];
    assert(leader !== undefined, "a lane with work has a first entry");
    const batch = new Set([leader]);
    if (leader.item.isAlone || sizeMax === 1) return batch;
    const { batchTokensMax, batchOverheadTokens } = this.#limits;
    const distance = ({ item }: Entry<T>): number =>
      Math.abs(item.tokenCount - leader.item.tokenCount);
    const rank = ({ item }: Entry<T>): number => (item.isBulk ? 1 : 0);
    // Sorting is stable: of equal lengths those first in line come first.
    const nearest = candidates
      .filter((entry) => entry !== leader && !entry.item.isAlone)
      .sort((a, b) => rank(a) - rank(b) || distance(a) - distance(b));
    let longest = leader.item.tokenCount;
    let tokens = longest;
    for (const entry of nearest) {
      if (batch.size === sizeMax) break;
      const width = Math.max(longest, entry.item.tokenCount);
      const padded = width * (batch.size + 1);
      const padding = padded - tokens - entry.item.tokenCount;
      if (padded > batchTokensMax || padding > batchOverheadTokens * batch.size) continue;
      longest = width;
      tokens += entry.item.tokenCount;
      batch.add(entry);
    }
    return batch;
  }
}

interface Entry<T> {
  readonly item: T;
  /** Place in line: the smallest goes first. */
  readonly start: number;
}

/**
 * A line in which every caller moves at the same pace, whatever the number of its sequences: start-time fair queueing
 * (Goyal, Vin, Cheng 1996), with tokens as the cost.
 */
class Lane<T extends Waiting> {
  /** By `start`, and in order of arrival where that is equal. */
  #entries: Entry<T>[] = [];
  /** Where each caller's next sequence stands in line. */
  readonly #nextStart = new Map<string, number>();
  /** The start of what was taken last. */
  #now = 0;

  get length(): number {
    return this.#entries.length;
  }

  get callerCount(): number {
    return this.#nextStart.size;
  }

  add(item: T): void {
    const start = Math.max(this.#now, this.#nextStart.get(item.caller) ?? 0);
    this.#nextStart.set(item.caller, start + item.tokenCount);
    this.#entries.splice(this.#indexAfter(start), 0, { item, start });
  }

  addFirst(item: T): void {
    const start = Math.min(this.#now, this.#entries[0]?.start ?? this.#now);
    this.#entries.unshift({ item, start });
  }

  /** The first `count` in line. */
  peek(count: number): Entry<T>[] {
    return this.#entries.slice(0, Math.max(0, count));
  }

  take(batch: ReadonlySet<Entry<T>>): void {
    const [first] = this.#entries;
    if (first !== undefined && batch.has(first)) this.#now = Math.max(this.#now, first.start);
    this.#entries = this.#entries.filter((entry) => !batch.has(entry));
    this.#forget();
  }

  /** Takes out what will not run. What its caller has behind it moves up: only what ran counts for its share. */
  remove(isUnwanted: (item: T) => boolean): T[] {
    const removed: T[] = [];
    const kept: Entry<T>[] = [];
    const tokensOf = new Map<string, number>();
    for (const { item, start } of this.#entries) {
      const tokens = tokensOf.get(item.caller) ?? 0;
      if (isUnwanted(item)) {
        removed.push(item);
        tokensOf.set(item.caller, tokens + item.tokenCount);
      } else {
        kept.push({ item, start: Math.max(this.#now, start - tokens) });
      }
    }
    if (removed.length === 0) return removed;
    this.#entries = kept.sort((a, b) => a.start - b.start);
    for (const [caller, tokens] of tokensOf) {
      const start = this.#nextStart.get(caller);
      if (start !== undefined) this.#nextStart.set(caller, start - tokens);
    }
    this.#forget();
    return removed;
  }

  oldestMs(): number {
    let oldest = Number.POSITIVE_INFINITY;
    for (const { item } of this.#entries) oldest = Math.min(oldest, item.arrivedAtMs);
    return oldest;
  }

  /** Drops callers whose place in line has passed: they start at `#now` like everybody new. */
  #forget(): void {
    if (this.#nextStart.size <= this.#entries.length) return;
    for (const [caller, start] of this.#nextStart) {
      if (start <= this.#now || this.#entries.length === 0) this.#nextStart.delete(caller);
    }
    if (this.#nextStart.size <= this.#entries.length + awayCallersMax) return;
    // While new callers keep coming, nobody's place passes.
    const waiting = new Set(this.#entries.map(({ item }) => item.caller));
    for (const caller of this.#nextStart.keys()) {
      if (!waiting.has(caller)) this.#nextStart.delete(caller);
    }
  }

  #indexAfter(start: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#entries[middle] as Entry<T>).start <= start) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
