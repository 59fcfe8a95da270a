import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../lib/errors.js";
import type { CallSignal } from "../../lib/rpc/call-signal.js";
import { noSpan } from "../../lib/tracing/span.js";
import { withResolvers } from "../../test/support/with-resolvers.js";
import { type Computed, VectorCache, type VectorOrder } from "./vector-cache.js";

/** A computation that waits until the test ends it. */
interface Computation {
  readonly places: readonly number[];
  readonly signal: CallSignal;
  /** Answers each sequence with [its length, its first id]. */
  answer(revision?: string): Promise<void>;
  fail(error: Error): Promise<void>;
}

function createCache(bytesMax = 1_000_000) {
  const counts = { hit: 0, missed: 0, coalesced: 0 };
  const count = (what: keyof typeof counts) => (sequences: number) => {
    counts[what] += sequences;
  };
  const cache = new VectorCache(bytesMax, {
    hit: count("hit"),
    missed: count("missed"),
    coalesced: count("coalesced"),
  });
  const computations: Computation[] = [];
  const get = (sequences: number[][], over: Partial<VectorOrder> = {}) => {
    const order = {
      ...{ revision: "r1", options: "unit", sequences },
      signal: new AbortController().signal,
      trace: noSpan,
      ...over,
    };
    const vectors = cache.get(order, (places, signal) => {
      const { promise, resolve, reject } = withResolvers<Computed>();
      const rows = places.map((place) => sequences[place] ?? []);
      computations.push({
        places,
        signal,
        answer(revision = order.revision) {
          const vectors = Float32Array.from(rows.flatMap((ids) => [ids.length, ids[0] ?? -1]));
          resolve({ revision, dimensions: 2, vectors });
          return turn();
        },
        fail(error) {
          reject(error);
          return turn();
        },
      });
      return promise;
    });
    // The test looks at it, but perhaps not in the turn in which it fails.
    vectors.catch(() => undefined);
    return vectors;
  };
  /** Asks and answers at once. */
  const getAnswered = async (sequences: number[][], over: Partial<VectorOrder> = {}) => {
    const before = computations.length;
    const vectors = get(sequences, over);
    await computations[before]?.answer();
    return rowsOf(await vectors);
  };
  return { cache, counts, computations, get, getAnswered };
}

test("what was computed is remembered, for the same revision, options and ids only", async () => {
  const { computations, counts, getAnswered } = createCache();
  deepEqual(await getAnswered([[7, 8]]), [[2, 7]]);
  deepEqual(await getAnswered([[7, 8]]), [[2, 7]]);
  equal(computations.length, 1);
  deepEqual(counts, { hit: 1, missed: 1, coalesced: 0 });
  await getAnswered([[7, 8]], { revision: "r2" });
  await getAnswered([[7, 8]], { options: "raw" });
  await getAnswered([[8, 7]]);
  await getAnswered([[7]]);
  equal(computations.length, 5);
});

test("only what is missing is computed, and the answer keeps the order", async () => {
  const { computations, getAnswered } = createCache();
  await getAnswered([[2], [4, 4]]);
  const vectors = await getAnswered([[1], [2], [3, 3, 3], [4, 4]]);
  deepEqual(vectors, [
    [1, 1],
    [1, 2],
    [3, 3],
    [2, 4],
  ]);
  deepEqual(computations[1]?.places, [0, 2]);
});

test("the same sequence twice in one call is computed once", async () => {
  const { computations, counts, getAnswered } = createCache();
  const vectors = await getAnswered([[1], [2], [1], [1]]);
  deepEqual(
    vectors.map(([, id]) => id),
    [1, 2, 1, 1],
  );
  deepEqual(computations[0]?.places, [0, 1]);
  deepEqual(counts, { hit: 0, missed: 2, coalesced: 2 });
});

test("what is being computed is not computed again", async () => {
  const { computations, counts, get } = createCache();
  const first = get([[1], [2]]);
  const second = get([[3], [2]]);
  const third = get([[1]]);
  deepEqual(
    computations.map(({ places }) => places),
    [[0, 1], [0]],
  );
  await computations[1]?.answer();
  await computations[0]?.answer();
  deepEqual(rowsOf(await first), [
    [1, 1],
    [1, 2],
  ]);
  deepEqual(rowsOf(await second), [
    [1, 3],
    [1, 2],
  ]);
  deepEqual(rowsOf(await third), [[1, 1]]);
  deepEqual(counts, { hit: 0, missed: 3, coalesced: 2 });
});

test("a caller who leaves does not fail the others", async () => {
  const { computations, get } = createCache();
  const leaver = new AbortController();
  const first = get([[1]], { signal: leaver.signal });
  const second = get([[1]]);
  leaver.abort(new MeshError("cancelled", "left"));
  await rejects(first, { message: "left" });
  equal(computations[0]?.signal.aborted, false);
  await computations[0]?.answer();
  deepEqual(rowsOf(await second), [[1, 1]]);
});

test("when the last one leaves, the computation ends, and who comes then begins another", async () => {
  const { computations, get } = createCache();
  const leavers = [new AbortController(), new AbortController()] as const;
  const calls = leavers.map(({ signal }) => get([[1]], { signal }));
  for (const leaver of leavers) leaver.abort(new MeshError("cancelled", "left"));
  for (const call of calls) await rejects(call, { message: "left" });
  const [ended] = computations;
  equal(ended?.signal.aborted, true);

  const late = get([[1]]);
  equal(computations.length, 2);
  // The end of the old one is not the end of the new one.
  await ended?.fail(new Error("aborted"));
  const later = get([[1]]);
  equal(computations.length, 2);
  await computations[1]?.answer();
  deepEqual(rowsOf(await late), [[1, 1]]);
  deepEqual(rowsOf(await later), [[1, 1]]);
});

test("a caller who has left already computes nothing, but may have what is remembered", async () => {
  const { computations, get, getAnswered } = createCache();
  await getAnswered([[1]]);
  const signal = AbortSignal.abort(new MeshError("deadline", "too late"));
  deepEqual(rowsOf(await get([[1]], { signal })), [[1, 1]]);
  await rejects(get([[1], [2]], { signal }), { message: "too late" });
  equal(computations.length, 1);
});

test("a failure is shared by those who wait, and not remembered", async () => {
  const { computations, get, getAnswered } = createCache();
  const calls = [get([[1]]), get([[1]])];
  await computations[0]?.fail(new MeshError("unavailable", "down"));
  for (const call of calls) await rejects(call, { message: "down" });
  deepEqual(await getAnswered([[1]]), [[1, 1]]);
  equal(computations.length, 2);
});

test("a call that one computation fails does not keep its others going", async () => {
  const { computations, get } = createCache();
  const leaver = new AbortController();
  const first = get([[1]], { signal: leaver.signal });
  const both = get([[1], [2]]);
  await computations[1]?.fail(new MeshError("unavailable", "down"));
  await rejects(both, { message: "down" });
  leaver.abort(new MeshError("cancelled", "left"));
  await rejects(first, { message: "left" });
  equal(computations[0]?.signal.aborted, true);
});

test("a newer revision's answer is for those who wait, and not remembered as the older one's", async () => {
  const { computations, get } = createCache();
  const call = get([[1]]);
  await computations[0]?.answer("r2");
  deepEqual(rowsOf(await call), [[1, 1]]);
  void get([[1]]);
  void get([[1]], { revision: "r2" });
  equal(computations.length, 3);
});

test("vectors of two revisions are not mixed: all are computed again", async () => {
  const { computations, get, getAnswered } = createCache();
  await getAnswered([[1]]);
  const call = get([[1], [2], [1]]);
  await computations[1]?.answer("r2");
  deepEqual(computations[2]?.places, [0, 1, 2]);
  await computations[2]?.answer("r2");
  deepEqual(rowsOf(await call), [
    [1, 1],
    [1, 2],
    [1, 1],
  ]);

  const leaver = new AbortController();
  const left = get([[1], [3]], { signal: leaver.signal });
  await computations[3]?.answer("r2");
  leaver.abort(new MeshError("cancelled", "left"));
  await rejects(left, { message: "left" });
  equal(computations[4]?.signal.aborted, true);
});

test("with no bytes nothing is remembered, but work is still shared", async () => {
  const { cache, computations, get } = createCache(0);
  const calls = [get([[1]]), get([[1]])];
  equal(computations.length, 1);
  await computations[0]?.answer();
  for (const call of calls) deepEqual(rowsOf(await call), [[1, 1]]);
  equal(cache.bytes, 0);
  void get([[1]]);
  equal(computations.length, 2);
});

test("what was not used for longest goes first, and the bytes stay within their bound", async () => {
  const { cache, computations, getAnswered } = createCache(1_000);
  for (const id of [1, 2, 3]) await getAnswered([[id]]);
  const [before, bytes] = [computations.length, cache.bytes];
  ok(bytes > 0 && bytes <= 1_000);
  await getAnswered([[1]]);
  await getAnswered([[4]]);
  await getAnswered([[5]]);
  await getAnswered([[1]]);
  equal(computations.length, before + 2);
  await getAnswered([[2]]);
  equal(computations.length, before + 3);
  ok(cache.bytes <= 1_000);
});

test("a sequence of a million ids has a key too", async () => {
  const { computations, getAnswered } = createCache(64_000_000);
  const long = Array.from({ length: 1_000_000 }, (_, index) => index);
  for (let i = 0; i < 2; i += 1) deepEqual(await getAnswered([long]), [[1_000_000, 0]]);
  equal(computations.length, 1);
});

test("what is remembered does not keep the rest of an answer in memory", async () => {
  const { get, getAnswered } = createCache();
  await getAnswered([[1], [2]]);
  const [vector] = await get([[1]]);
  equal(vector?.buffer.byteLength, 8);
});

function rowsOf(vectors: readonly Float32Array[]): number[][] {
  return vectors.map((vector) => [...vector]);
}

function turn(): Promise<void> {
  return new Promise(setImmediate);
}
