import type { CallSignal } from "../../lib/rpc/call-signal.js";
// Whatever hits, coalesces, fails, is cancelled or evicted, in whatever order: a vector is that of its own ids.

import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../lib/errors.js";
import { noSpan } from "../../lib/tracing/span.js";
import { seeded } from "../../test/support/random.js";
import { type Computed, VectorCache } from "./vector-cache.js";

/** Prefixes of each other, ids over 16 bits, and ids that are lone surrogates or line breaks as UTF-16 units. */
const pool: readonly (readonly number[])[] = [
  ...[[], [0], [0, 0], [1], [1, 2], [1, 2, 3], [2, 1], [10], [10, 10]],
  ...[[0xd800], [0xdc00], [0xd800, 0xdc00], [0xdc00, 0xd800], [0xfffd], [0xfeff], [0xfffe]],
  ...[[65_536], [65_537], [1, 0], [0, 1], [0xd800_dc00], [0xdc00_d800], [0xffff_ffff]],
  ...[[131_072, 5], [5, 131_072], [0x0a_0000], [0x000a_000a]],
];
const optionsPool = ["unit", "raw"] as const;
const dimensions = 8;
const bytesMax = 3_000;

interface Call {
  readonly revision: number;
  readonly options: (typeof optionsPool)[number];
  readonly sequences: readonly (readonly number[])[];
  readonly leaver: AbortController;
  readonly beganAt: number;
}

interface Computation {
  readonly call: Call;
  readonly places: readonly number[];
  readonly signal: CallSignal;
  readonly settle: (result: Computed | Error) => void;
  answered: number | undefined;
  error: Error | undefined;
  endedAt: number;
}

/** All that makes the vector, in numbers that float32 holds exactly. */
function vectorOf(revision: number, options: string, ids: readonly number[]): number[] {
  const halves = ids.flatMap((id) => [id >>> 16, id & 0xffff]);
  const vector = [revision, optionsPool.indexOf(options as "raw"), ids.length, ...halves];
  return [...vector, ...new Array<number>(dimensions).fill(0)].slice(0, dimensions + 1);
}

test("a vector never belongs to another text, revision or option", async (t) => {
  const random = seeded(t);
  for (let run = 0; run < 40; run += 1) await runOnce(random);
});

async function runOnce(random: ReturnType<typeof seeded>): Promise<void> {
  /** Turns of the event loop. */
  let now = 0;
  let sequencesAsked = 0;
  let counted = 0;
  const count = (sequences: number): void => {
    counted += sequences;
  };
  const cache = new VectorCache(bytesMax, { hit: count, missed: count, coalesced: count });
  const running = new Set<Computation>();
  const all: Computation[] = [];
  const calls = new Set<Call>();
  const checks: Promise<void>[] = [];

  const begin = (): void => {
    const sequences = Array.from({ length: 1 + random.int(6) }, () => random.pick(pool));
    const leaver = new AbortController();
    const [revision, options] = [1 + random.int(2), random.pick(optionsPool)];
    const call: Call = { revision, options, sequences, leaver, beganAt: now };
    const { signal } = leaver;
    const order = { revision: `r${revision}`, options, sequences, signal, trace: noSpan };
    sequencesAsked += sequences.length;
    const vectors = cache.get(order, (places, signal) => compute(call, places, signal));
    const checked = vectors
      .then((rows) => checkRows(call, rows, all))
      .catch((error: unknown) => checkError(call, error, all))
      .finally(() => calls.delete(call));
    // Somebody awaits it, but not in the turn in which it fails.
    checked.catch(() => undefined);
    checks.push(checked);
    calls.add(call);
  };

  const compute = (call: Call, places: readonly number[], signal: CallSignal) =>
    new Promise<Computed>((resolve, reject) => {
      const settle = (result: Computed | Error): void =>
        result instanceof Error ? reject(result) : resolve(result);
      const ends = { answered: undefined, error: undefined, endedAt: Number.POSITIVE_INFINITY };
      const computation: Computation = { call, places, signal, settle, ...ends };
      for (const other of running) ok(other.signal.aborted || areApart(computation, other));
      running.add(computation);
      all.push(computation);
    });

  const end = (computation: Computation): void => {
    running.delete(computation);
    computation.endedAt = now;
    const { call, places, signal } = computation;
    if (signal.aborted || random.int(4) === 0) {
      computation.error = new Error(signal.aborted ? "aborted" : "failed");
      computation.settle(computation.error);
      return;
    }
    // Now and then the model was replaced after the call was made.
    const answered = random.int(5) === 0 ? call.revision + 1 : call.revision;
    computation.answered = answered;
    const rows = places.map((place) =>
      vectorOf(answered, call.options, call.sequences[place] ?? []),
    );
    const vectors = Float32Array.from(rows.flat());
    computation.settle({ revision: `r${answered}`, dimensions: dimensions + 1, vectors });
  };

  const leave = (): void => {
    if (calls.size === 0) return;
    random.pick([...calls]).leaver.abort(new MeshError("cancelled", "left"));
  };

  for (let step = 0; step < 200; step += 1) {
    const act = random.int(10);
    if (act < 5) begin();
    else if (act < 8 && running.size > 0) end(random.pick([...running]));
    else leave();
    ok(cache.bytes <= bytesMax);
    // Sometimes several things happen before anybody hears of one.
    if (random.int(3) === 0) continue;
    await new Promise(setImmediate);
    now += 1;
  }
  while (running.size > 0) {
    end(random.pick([...running]));
    await new Promise(setImmediate);
  }
  await Promise.all(checks);
  equal(calls.size, 0);
  equal(counted, sequencesAsked);
}

/** Whether no sequence is computed by both, nor twice by one; what nobody shares is apart from all. */
function areApart(one: Computation, other: Computation): boolean {
  if ([one, other].some(({ call, signal }) => signal === call.leaver.signal)) return true;
  const keysOf = ({ call, places }: Computation) =>
    places.map((place) => JSON.stringify([call.revision, call.options, call.sequences[place]]));
  const keys = new Set(keysOf(other));
  const own = keysOf(one);
  return new Set(own).size === own.length && !own.some((key) => keys.has(key));
}

/** Each row is of its own ids; all are of one revision, another only when a computation said so while the call waited. */
function checkRows(call: Call, rows: readonly Float32Array[], all: readonly Computation[]): void {
  equal(rows.length, call.sequences.length);
  const revision = rows[0]?.[0] ?? 0;
  for (const [index, ids] of call.sequences.entries()) {
    deepEqual([...(rows[index] ?? [])], vectorOf(revision, call.options, ids));
  }
  if (revision === call.revision) return;
  ok(computationsFor(call, all).some(({ answered }) => answered === revision));
}

/** Nobody hears of another's leaving, nor of a failure that was over before the call began. */
function checkError(call: Call, error: unknown, all: readonly Computation[]): void {
  if (call.leaver.signal.aborted && error === call.leaver.signal.reason) return;
  if ((error as Error).message !== "failed") throw error;
  ok(computationsFor(call, all).some((computation) => computation.error === error));
}

/** Those that shared a sequence with the call and ended while it waited. */
function computationsFor(call: Call, all: readonly Computation[]): Computation[] {
  const wanted = new Set(call.sequences.map((ids) => JSON.stringify(ids)));
  return all.filter(
    ({ call: other, places, endedAt }) =>
      other.revision === call.revision &&
      other.options === call.options &&
      endedAt >= call.beganAt &&
      places.some((place) => wanted.has(JSON.stringify(other.sequences[place]))),
  );
}
