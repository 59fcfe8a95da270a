import { MeshError } from "../../../lib/errors.js";
import type { Counter } from "../algorithms/counter.js";

/** Entries looked at for each new one: more than one, so that idle counters go faster than others come. */
const sweepStep = 8;
/** Entries looked at when there is no room: enough to find some, few enough to be quick for every caller. */
const sweepStepMax = 1_000;
/** A map that grows is copied while everyone waits, so that keys are spread over several. A power of two. */
const shardCount = 64;
/** Characters at the end of a key that tell its shard: callers differ there. */
const shardCharacters = 16;

type Shard = Map<string, Counter>;

/**
 * The counters that are not idle, bounded. A hand goes round and drops what is idle; when it finds nothing, new keys are
 * refused, because forgetting the others would let too much through.
 */
export class Counters {
  readonly #keysMax: number;
  readonly #shards: readonly Shard[] = Array.from({ length: shardCount }, () => new Map());
  #size = 0;
  #handShard = 0;
  #hand: Iterator<[string, Counter]> = [].values();

  constructor(keysMax: number) {
    this.#keysMax = keysMax;
  }

  get size(): number {
    return this.#size;
  }

  get(key: string): Counter | undefined {
    return this.#shardOf(key).get(key);
  }

  /** A new key needs the room that `requireRoom` found for it. */
  set(key: string, counter: Counter): void {
    const shard = this.#shardOf(key);
    const before = shard.size;
    shard.set(key, counter);
    this.#size += shard.size - before;
  }

  /** Drops the counter if it is as new. */
  dropIdle(key: string, counter: Counter, nowMs: number): void {
    if (counter.idleAtMs() <= nowMs && this.#shardOf(key).delete(key)) this.#size -= 1;
  }

  /** Throws `overloaded` unless all of `keys` are here or fit. It may drop those of them that are idle. */
  requireRoom(keys: readonly string[], nowMs: number): void {
    this.#sweep(sweepStep * keys.length, nowMs);
    if (this.#fits(keys)) return;
    this.#sweep(sweepStepMax, nowMs);
    if (this.#fits(keys)) return;
    throw new MeshError("overloaded", "too many callers at once", { retryAfterMs: 1_000 });
  }

  #fits(keys: readonly string[]): boolean {
    const free = this.#keysMax - this.#size;
    if (free >= keys.length) return true;
    return free >= keys.filter((key) => this.get(key) === undefined).length;
  }

  /** Once round at most. */
  #sweep(stepsMax: number, nowMs: number): void {
    const steps = Math.min(stepsMax, this.#size);
    let shardsLeft = shardCount;
    for (let step = 0; step < steps && shardsLeft > 0; ) {
      const next = this.#hand.next();
      if (next.done) {
        this.#handShard = (this.#handShard + 1) % shardCount;
        this.#hand = this.#shardAt(this.#handShard).entries();
        shardsLeft -= 1;
        continue;
      }
      const [key, counter] = next.value;
      this.dropIdle(key, counter, nowMs);
      step += 1;
    }
  }

  /**
   * By the end of the key. Reading it also turns the key into one piece of text: what was concatenated V8 keeps as a
   * tree of its parts, and of what those were cut from, which would take several times the memory.
   */
  #shardOf(key: string): Shard {
    let mixed = 0;
    for (let index = Math.max(0, key.length - shardCharacters); index < key.length; index += 1) {
      mixed = (mixed * 31 + key.charCodeAt(index)) | 0;
    }
    return this.#shardAt((mixed ^ (mixed >>> 16)) & (shardCount - 1));
  }

  #shardAt(index: number): Shard {
    // Indexes are below the number of shards.
    return this.#shards[index] as Shard;
  }
}
