import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import type { Worker } from "node:worker_threads";
import { FakeClock } from "../../../lib/fake-clock.js";
import { turn } from "../../../test/support/fake-engine.js";
import {
  batchOf,
  ids,
  loadingProgram,
  openPool,
  program,
  runBatch,
  startBatch,
  until,
} from "../../../test/support/test-pool.js";

const failing = "throw new Error('no model')";
function ended(threads: readonly Worker[]): boolean {
  return threads.every(({ threadId }) => threadId === -1);
}

test("a worker that dies loses its batch and is replaced", async (t) => {
  const { pool, restarts, threads } = await openPool(t);
  deepEqual(await runBatch(pool, batchOf(ids.dies)), { lost: { hadBegun: true } });
  equal(pool.idleCount, 0);
  await until(pool, () => pool.idleCount === 1);
  ok("rows" in (await runBatch(pool, batchOf(5))));
  deepEqual([restarts(), threads.length], [1, 2]);
});

test("a worker that hangs loses its batches and is replaced; should it come back, it ends", async (t) => {
  const clock = new FakeClock();
  const { pool, restarts, threads, begun, release } = await openPool(t, {}, { clock });
  const first = startBatch(pool, batchOf(ids.hangs));
  const second = startBatch(pool, batchOf(ids.dies));
  await begun();
  await clock.moveTo(499);
  equal(pool.prefetchCount + pool.idleCount, 0);
  await clock.moveTo(500);
  deepEqual(await first?.ended, { lost: { hadBegun: true } });
  deepEqual(await second?.ended, { lost: { hadBegun: false } });
  await until(pool, () => pool.idleCount === 1);
  ok("rows" in (await runBatch(pool, batchOf(5))));
  equal(restarts(), 1);
  equal(ended(threads), false);
  const [hung] = threads as [Worker];
  const exited = once(hung, "exit");
  release();
  // It does not begin with the batch that was taken from it.
  deepEqual(await exited, [0]);
  ok("rows" in (await runBatch(pool, batchOf(6))));
  equal(restarts(), 1);
});

test("as many threads may hang as there are workers, then no more are started", async (t) => {
  const clock = new FakeClock();
  const { pool, threads, restarts, begun, release } = await openPool(t, { workers: 2 }, { clock });
  const hang = async (): Promise<void> => {
    const { idleCount } = pool;
    const batches = Array.from({ length: idleCount }, () => startBatch(pool, batchOf(ids.hangs)));
    await begun();
    await clock.moveTo(clock.nowMs() + 500);
    for (const batch of batches) deepEqual(await batch?.ended, { lost: { hadBegun: true } });
  };
  await hang();
  await until(pool, () => pool.idleCount === 2);
  await hang();
  await clock.moveTo(clock.nowMs() + 10_000);
  deepEqual([threads.length, restarts(), pool.isHealthy], [4, 2, false]);
  release();
  await until(pool, () => pool.idleCount === 2);
  ok("rows" in (await runBatch(pool, batchOf(5))));
  deepEqual([threads.length, restarts()], [6, 4]);
});

test("a batch has its whole time from when it begins to run", async (t) => {
  const clock = new FakeClock();
  const { pool, open, restarts } = await openPool(t, {}, { clock });
  const first = startBatch(pool, batchOf(ids.waits));
  const second = startBatch(pool, batchOf(ids.hangs));
  await clock.moveTo(400);
  open();
  ok("rows" in ((await first?.ended) ?? {}));
  await clock.moveTo(899);
  equal(restarts(), 0);
  await clock.moveTo(900);
  deepEqual(await second?.ended, { lost: { hadBegun: true } });
});

test("a worker that loaded and answered in time is left alone", async (t) => {
  const clock = new FakeClock();
  const { pool, open, restarts, threads } = await openPool(t, {}, { clock });
  const batches = [startBatch(pool, batchOf(ids.waits)), startBatch(pool, batchOf(2))];
  open();
  for (const batch of batches) ok("rows" in ((await batch?.ended) ?? {}));
  await clock.moveTo(60_000);
  // Long enough for a thread to end.
  await sleep(50);
  deepEqual([restarts(), ended(threads)], [0, false]);
});

test("the other workers go on while one is replaced", async (t) => {
  const { pool } = await openPool(t, { workers: 2 });
  const dying = startBatch(pool, batchOf(ids.dies));
  const fine = startBatch(pool, batchOf(1));
  ok("rows" in ((await fine?.ended) ?? {}));
  deepEqual(await dying?.ended, { lost: { hadBegun: true } });
  equal(pool.isHealthy, true);
  ok("rows" in (await runBatch(pool, batchOf(2))));
  await until(pool, () => pool.idleCount === 2);
});

test("one worker has the wide session, also after it was replaced", async (t) => {
  const { pool, setups } = await openPool(t, { workers: 2 });
  // The first choice is the one with the wide session.
  await runBatch(pool, batchOf(ids.dies));
  await until(pool, () => pool.idleCount === 2);
  deepEqual(
    setups.map(({ wideThreads }) => wideThreads),
    [4, 0, 4],
  );
  // Now the first choice is the third thread; the second one dies behind it.
  const batches = [startBatch(pool, batchOf(1)), startBatch(pool, batchOf(ids.dies))];
  await Promise.all(batches.map((batch) => batch?.ended));
  await until(pool, () => pool.idleCount === 2);
  equal(setups[3]?.wideThreads, 0);
});

test("a model that does not load is an error at the start, and leaves no thread", async (t) => {
  const threads: Worker[] = [];
  const codeOf = (index: number): string => (index === 1 ? failing : program);
  await rejects(openPool(t, { workers: 3 }, { threads, codeOf }), /no model/);
  equal(threads.length, 3);
  ok(ended(threads));
});

test("a thread that ends while loading is an error", async (t) => {
  const opening = openPool(t, {}, { codeOf: () => "process.exit(0)" });
  await rejects(opening, /ended while loading/);
});

test("a model that takes too long to load is given up", async (t) => {
  const clock = new FakeClock();
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const threads: Worker[] = [];
  const codeOf = (index: number): string => (index === 1 ? loadingProgram : program);
  const opening = openPool(t, { workers: 2, loadMsMax: 700 }, { clock, threads, gate, codeOf });
  let isRefused = false;
  const refused = rejects(opening, /not loaded within 700 ms/).finally(() => {
    isRefused = true;
  });
  await clock.moveTo(700);
  // It waits for the thread to end, but not for long.
  while (threads[0]?.threadId !== -1) await turn();
  await clock.moveTo(10_699);
  equal(isRefused, false);
  await clock.moveTo(10_700);
  await refused;
  const [, late] = threads as [Worker, Worker];
  const exited = once(late, "exit");
  Atomics.store(gate, 1, 1);
  Atomics.notify(gate, 1);
  deepEqual(await exited, [0]);
});

test("a worker that cannot be replaced at once is tried again, not in a tight loop", async (t) => {
  const clock = new FakeClock();
  const threads: Worker[] = [];
  const codeOf = (index: number): string => (index === 1 || index === 2 ? failing : program);
  const { pool, restarts } = await openPool(t, {}, { clock, threads, codeOf });
  await runBatch(pool, batchOf(ids.dies));
  for (const count of [2, 3]) {
    while (threads.length < count || !ended(threads)) await new Promise(setImmediate);
    equal(pool.isHealthy, false);
    await clock.moveTo(clock.nowMs() + 499);
    equal(threads.length, count);
    await clock.moveTo(clock.nowMs() + 1);
  }
  await until(pool, () => pool.idleCount === 1);
  ok("rows" in (await runBatch(pool, batchOf(5))));
  equal(restarts(), 3);
});

test("closing ends every thread when it has run what it has, and nobody is replaced", async (t) => {
  const { pool, threads, restarts, open } = await openPool(t, { workers: 3 });
  const batches = [1, 2, 3, 4].map(() => startBatch(pool, batchOf(ids.waits)));
  const closed = pool.close();
  equal(startBatch(pool, batchOf(1)), undefined);
  open();
  for (const batch of batches) ok("rows" in ((await batch?.ended) ?? {}));
  await closed;
  ok(ended(threads));
  deepEqual([threads.length, restarts(), pool.idleCount], [3, 0, 0]);
  await pool.close();
});

test("closing does not wait for long for a thread that hangs", async (t) => {
  const clock = new FakeClock();
  const options = { batchMsMax: 60_000, workers: 2 };
  const { pool, threads, release } = await openPool(t, options, { clock });
  const hanging = startBatch(pool, batchOf(ids.hangs));
  let isClosed = false;
  const closed = pool.close().then(() => {
    isClosed = true;
  });
  await clock.moveTo(9_999);
  equal(isClosed, false);
  await clock.moveTo(10_000);
  await closed;
  release();
  ok("rows" in ((await hanging?.ended) ?? {}));
  while (!ended(threads)) await turn();
});

test("closing while a worker is being replaced leaves no thread", async (t) => {
  const clock = new FakeClock();
  const threads: Worker[] = [];
  const codeOf = (index: number): string => (index === 1 ? loadingProgram : program);
  const { pool, release } = await openPool(t, {}, { clock, threads, codeOf });
  await runBatch(pool, batchOf(ids.dies));
  equal(threads.length, 2);
  const closed = pool.close();
  release();
  await closed;
  await clock.moveTo(10_000);
  equal(threads.length, 2);
  ok(ended(threads));
});

test("what the model is like is known also while its worker is replaced", async (t) => {
  const { pool } = await openPool(t);
  await runBatch(pool, batchOf(ids.dies));
  deepEqual([pool.idleCount, pool.ready?.device], [0, "cpu"]);
});

test("the pool is healthy until all its workers were silent for five seconds", async (t) => {
  const clock = new FakeClock();
  const { pool, open } = await openPool(t, { workers: 2, batchMsMax: 60_000 }, { clock });
  equal(pool.isHealthy, true);
  const first = startBatch(pool, batchOf(ids.waits));
  await clock.moveTo(1_000);
  const second = startBatch(pool, batchOf(ids.waits));
  await clock.moveTo(5_999);
  equal(pool.isHealthy, true);
  await clock.moveTo(6_000);
  equal(pool.isHealthy, false);
  open();
  await Promise.all([first?.ended, second?.ended]);
  equal(pool.isHealthy, true);
});

test("a pool with an idle worker is healthy, however silent the other one is", async (t) => {
  const clock = new FakeClock();
  const { pool } = await openPool(t, { workers: 2, batchMsMax: 60_000 }, { clock });
  startBatch(pool, batchOf(ids.hangs));
  await clock.moveTo(50_000);
  equal(pool.isHealthy, true);
});
