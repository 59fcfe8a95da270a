import { MeshError } from "../../lib/errors.js";
import type { ArrivalTime } from "./gcra.js";

/** Entries looked at for each new one: more than one, so that full buckets go faster than others come. */
const sweepStep = 8;
/** Entries looked at when there is no room: enough to find some, few enough to be quick for every caller. */
const sweepStepMax = 1_000;

/**
 * The state of every bucket that is not full, bounded. A hand goes round and drops what is full again; when it finds
 * nothing, new keys are refused, because forgetting the others would let too much through.
 */
export class ArrivalTimes {
  readonly #keysMax: number;
  readonly #times = new Map<string, ArrivalTime>();
  #hand: Iterator<[string, ArrivalTime]> = this.#times.entries();

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  get size(): number {
    return this.#times.size;
  }

  get(key: string): ArrivalTime | undefined {
    return this.#times.get(key);
  }

  /** An absent time means full. */
  set(key: string, time: ArrivalTime | undefined): void {
    if (time === undefined) this.#times.delete(key);
    else this.#times.set(key, time);
  }

  /** Throws `overloaded` unless all of `keys` can be set. */
  requireRoom(keys: readonly string[], nowMs: number): void {
    const added = keys.filter((key) => !this.#times.has(key)).length;
    if (added === 0) return;
    this.#sweep(sweepStep * added, nowMs);
    if (this.#fits(added)) return;
    this.#sweep(sweepStepMax, nowMs);
    if (this.#fits(added)) return;
    throw new MeshError("overloaded", "too many callers at once", { retryAfterMs: 1_000 });
  }

  #fits(added: number): boolean {
    return this.#times.size + added <= this.#keysMax;
  }

  #sweep(steps: number, nowMs: number): void {
    for (let step = 0; step < Math.min(steps, this.#times.size); step += 1) {
      const next = this.#hand.next();
      if (next.done) {
        this.#hand = this.#times.entries();
        continue;
      }
      const [key, time] = next.value;
      if (time.ms < nowMs) this.#times.delete(key);
    }
  }
}
