import { LRUCache } from "lru-cache";
import { assert } from "../../lib/assert.js";
import { MeshError } from "../../lib/errors.js";
import { CallAbort, type CallSignal, whenAborted } from "../../lib/rpc/call-signal.js";
import type { Span } from "../../lib/tracing/span.js";

/** What an entry costs besides its key and its vector: two objects, and its places in the map and the list. */
const entryOverheadBytes = 200;

/** Vectors of some sequences, row by row. */
export interface Computed {
  /** Changes with the model's files; what is remembered is remembered under it. */
  readonly revision: string;
  readonly dimensions: number;
  /** Shape [sequences, dimensions], row-major. */
  readonly vectors: Float32Array;
}

/** What a call wants. */
export interface VectorOrder {
  readonly revision: string;
  /** Whatever else changes a vector: task and options. */
  readonly options: string;
  readonly sequences: readonly (readonly number[])[];
  /** Aborts when the caller has left; its reason is a MeshError. */
  readonly signal: CallSignal;
  /** The call's own span, below which it has computed what nobody computes yet. */
  readonly trace: Span;
}

/** Computes the sequences at these places of the order. The signal aborts when nobody waits for any of them. */
export type Compute = (places: readonly number[], signal: CallSignal) => Promise<Computed>;

export interface CacheCounts {
  hit(sequences: number): void;
  missed(sequences: number): void;
  coalesced(sequences: number): void;
}

/** Where a vector will be. */
interface Place {
  readonly flight: Flight;
  readonly row: number;
}

/** One computation and how many calls wait for it. */
interface Flight {
  readonly computed: Promise<Computed>;
  readonly abort: CallAbort;
  readonly keys: readonly string[];
  /** Of the call that began it. */
  readonly trace: Span;
  waiters: number;
}

/**
 * Vectors by model revision, options and token ids: what is remembered is not computed again, and what is being
 * computed is not computed twice. A call may get some of its vectors from here, some from a computation that another
 * call began, and only the rest from its own.
 */
export class VectorCache {
  readonly #vectors: LRUCache<string, Float32Array> | undefined;
  readonly #flights = new Map<string, Place>();
  readonly #counts: CacheCounts;

  /** With 0 bytes nothing is remembered. */
  constructor(bytesMax: number, counts: CacheCounts) {
    this.#counts = counts;
    if (bytesMax === 0) return;
    this.#vectors = new LRUCache({
      maxSize: bytesMax,
      maxEntrySize: bytesMax,
      sizeCalculation: (vector, key) => key.length * 2 + vector.byteLength + entryOverheadBytes,
    });
  }

  /** Bytes that are remembered. */
  get bytes(): number {
    return this.#vectors?.calculatedSize ?? 0;
  }

  /** The vectors of the order, in its order, all of one revision. Rejects as `compute` does, or with the signal's reason. */
  async get(order: VectorOrder, compute: Compute): Promise<readonly Float32Array[]> {
    const keys = order.sequences.map((ids) => keyOf(order, ids));
    const remembered = keys.map((key) => this.#vectors?.get(key));
    const missing = [...keys.entries()].filter(([place]) => remembered[place] === undefined);
    this.#counts.hit(keys.length - missing.length);
    order.trace.set("arrowmesh.cache.hits", keys.length - missing.length);
    if (missing.length === 0) return remembered as readonly Float32Array[];

    order.signal.throwIfAborted();
    this.#begin(missing, compute, order.trace);
    const places = keys.map((key, index) => remembered[index] ?? this.#placeOf(key));
    const flights = new Set<Flight>();
    for (const place of places) if ("flight" in place) flights.add(place.flight);
    for (const flight of flights) if (flight.trace !== order.trace) follow(order.trace, flight);
    return await this.#await(flights, order.signal, async () => {
      const answers = await Promise.all([...flights].map(({ computed }) => computed));
      const revisions = new Set(answers.map(({ revision }) => revision));
      if (missing.length < keys.length) revisions.add(order.revision);
      if (revisions.size > 1) return await computeAll(order, compute);
      return await Promise.all(
        places.map(async (place) =>
          "flight" in place ? rowOf(await place.flight.computed, place.row) : place,
        ),
      );
    });
  }

  /** Computes what nobody computes yet; the same sequence twice in one call is computed once. */
  #begin(
    missing: readonly (readonly [place: number, key: string])[],
    compute: Compute,
    trace: Span,
  ): void {
    const places = new Map<string, number>();
    for (const [place, key] of missing) {
      if (!this.#flights.has(key) && !places.has(key)) places.set(key, place);
    }
    this.#counts.missed(places.size);
    this.#counts.coalesced(missing.length - places.size);
    trace.set("arrowmesh.cache.misses", places.size);
    trace.set("arrowmesh.cache.coalesced", missing.length - places.size);
    if (places.size === 0) return;
    const own = [...places.keys()];
    const abort = new CallAbort();
    const flight: Flight = {
      keys: own,
      abort,
      trace,
      waiters: 0,
      computed: compute([...places.values()], abort),
    };
    for (const [row, key] of own.entries()) this.#flights.set(key, { flight, row });
    const land = (): void => this.#forget(flight);
    flight.computed.then((computed) => {
      land();
      this.#remember(own, computed);
    }, land);
  }

  /** What a newer revision answered is right for this call, but not what the key says. */
  #remember(keys: readonly string[], computed: Computed): void {
    for (const [row, key] of keys.entries()) {
      if (!key.startsWith(`${computed.revision}\n`)) return;
      const vector = rowOf(computed, row);
      // A view would keep the whole answer in memory.
      const isView = vector.byteLength < vector.buffer.byteLength;
      this.#vectors?.set(key, isView ? vector.slice() : vector);
    }
  }

  #placeOf(key: string): Place {
    const place = this.#flights.get(key);
    assert(place !== undefined, "what is missing is being computed");
    return place;
  }

  async #await<T>(
    flights: ReadonlySet<Flight>,
    signal: CallSignal,
    wait: () => Promise<T>,
  ): Promise<T> {
    for (const flight of flights) flight.waiters += 1;
    let hasLeft = false;
    const leave = (): void => {
      if (hasLeft) return;
      hasLeft = true;
      for (const flight of flights) {
        flight.waiters -= 1;
        if (flight.waiters > 0) continue;
        this.#forget(flight);
        flight.abort.abort(new MeshError("cancelled", "nobody waits for it any more"));
      }
    };
    return await new Promise<T>((resolve, reject) => {
      // A call that one computation fails waits for none of its others either.
      const fail = (reason: unknown): void => {
        leave();
        reject(reason);
      };
      const forget = whenAborted(signal, () => fail(signal.reason));
      wait().then(resolve, fail).finally(forget);
    });
  }

  /** Who comes from now on does not join it. */
  #forget(flight: Flight): void {
    for (const key of flight.keys) {
      if (this.#flights.get(key)?.flight === flight) this.#flights.delete(key);
    }
  }
}

/** The span of a call that waits for another's computation shows where that is, which is kept for it where it still can. */
function follow(trace: Span, flight: Flight): void {
  trace.link(flight.trace);
  if (trace.isSampled) flight.trace.keep();
}

/**
 * No two sequences share a key: the ids stand in it whole, two UTF-16 units each, behind a revision and options that
 * hold no line break.
 */
function keyOf({ revision, options }: VectorOrder, ids: readonly number[]): string {
  let key = `${revision}\n${options}\n`;
  for (const id of ids) key += String.fromCharCode(id >>> 16, id & 0xffff);
  return key;
}

/**
 * The model was replaced while the call waited, and vectors of two revisions must not be mixed: one computation makes
 * all of them. That is rare, so nobody shares it.
 */
async function computeAll(
  { sequences, signal }: VectorOrder,
  compute: Compute,
): Promise<readonly Float32Array[]> {
  const places = [...sequences.keys()];
  const computed = await compute(places, signal);
  return places.map((row) => rowOf(computed, row));
}

function rowOf({ vectors, dimensions }: Computed, row: number): Float32Array {
  return vectors.subarray(row * dimensions, (row + 1) * dimensions);
}
