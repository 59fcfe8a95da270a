import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { float32Tensor } from "../../../test/support/inference.js";
import { seeded } from "../../../test/support/random.js";
import {
  batchOf,
  type Ended,
  ids,
  openPool,
  runBatch,
  startBatch,
  until,
} from "../../../test/support/test-pool.js";
import type { NamedTensor } from "../models/served-model.js";

/** The first ids of the rows of an answer. */
function idsOf(ended: Ended): number[] {
  return "rows" in ended ? ended.rows.map(([id]) => id as number) : [];
}

/** Which thread ran a batch, and whether with its wide session. */
function runOf(ended: Ended): { thread: number | undefined; isWide: boolean } {
  const [row] = "rows" in ended ? ended.rows : [];
  return { thread: row?.[1], isWide: row?.[2] === 1 };
}

test("a batch comes back as rows", async (t) => {
  const { pool } = await openPool(t, { workers: 2 });
  deepEqual([pool.workerCount, pool.idleCount, pool.prefetchCount], [2, 2, 0]);
  const [first, second] = await Promise.all([
    runBatch(pool, batchOf(1, 2)),
    runBatch(pool, batchOf(3)),
  ]);
  deepEqual([idsOf(first), idsOf(second)], [[1, 2], [3]]);
  equal(pool.idleCount, 2);
});

test("a request of tensors comes back as tensors", async (t) => {
  const { pool } = await openPool(t);
  const inputs = [float32Tensor("x", [2], [1, 2])];
  const outputs = await new Promise<readonly NamedTensor[]>((resolve, reject) => {
    const wrong = (): void => reject(new Error("no tensors"));
    const listener = { rows: wrong, tensors: resolve, lost: wrong, failed: reject };
    ok(pool.start({ kind: "tensors", inputs, outputNames: [] }, listener));
  });
  deepEqual(outputs, inputs);
});

test("an error of the model is the batch's, and the worker goes on", async (t) => {
  const { pool, restarts } = await openPool(t);
  deepEqual(await runBatch(pool, batchOf(ids.fails)), { failed: "no" });
  deepEqual(idsOf(await runBatch(pool, batchOf(4))), [4]);
  equal(restarts(), 0);
});

test("one batch runs on a worker, one waits there, and there is no place for a third", async (t) => {
  const { pool, open } = await openPool(t);
  const first = startBatch(pool, batchOf(ids.waits));
  deepEqual([pool.idleCount, pool.prefetchCount], [0, 1]);
  const second = startBatch(pool, batchOf(2));
  deepEqual([pool.idleCount, pool.prefetchCount], [0, 0]);
  equal(startBatch(pool, batchOf(3)), undefined);
  open();
  deepEqual(idsOf((await first?.ended) as Ended), [ids.waits]);
  deepEqual([pool.idleCount, pool.prefetchCount], [0, 1]);
  deepEqual(idsOf((await second?.ended) as Ended), [2]);
  deepEqual([pool.idleCount, pool.prefetchCount], [1, 0]);
});

test("a batch waits only when every worker has one", async (t) => {
  const { pool, open } = await openPool(t, { workers: 2 });
  const batches = [1, 2, 3].map(() => startBatch(pool, batchOf(ids.waits)));
  deepEqual([pool.idleCount, pool.prefetchCount], [0, 1]);
  open();
  const ended = await Promise.all(batches.map((batch) => batch?.ended as Promise<Ended>));
  equal(new Set(ended.map((one) => runOf(one).thread)).size, 2);
});

test("whoever can start batches is told when a worker is free", async (t) => {
  const { pool, open } = await openPool(t);
  const counts: number[][] = [];
  pool.onFree = () => counts.push([pool.idleCount, pool.prefetchCount]);
  const batches = [startBatch(pool, batchOf(ids.waits)), startBatch(pool, batchOf(2))];
  open();
  await Promise.all(batches.map((batch) => batch?.ended));
  await until(pool, () => pool.idleCount === 1);
  deepEqual(counts, [
    [0, 1],
    [1, 0],
  ]);
});

test("a batch that waits can be taken back, and its place is free again", async (t) => {
  const { pool, open } = await openPool(t);
  const first = startBatch(pool, batchOf(ids.waits));
  const second = startBatch(pool, batchOf(2));
  equal(second?.revoke(), true);
  equal(second.revoke(), false);
  deepEqual([pool.idleCount, pool.prefetchCount], [0, 1]);
  const third = startBatch(pool, batchOf(3));
  open();
  deepEqual(idsOf((await first?.ended) as Ended), [ids.waits]);
  deepEqual(idsOf((await third?.ended) as Ended), [3]);
  const nobody = await Promise.race([second.ended, new Promise((then) => setTimeout(then, 20))]);
  equal(nobody, undefined);
  equal(pool.idleCount, 1);
});

test("a batch that runs, or has ended, cannot be taken back", async (t) => {
  const { pool, open } = await openPool(t);
  const first = startBatch(pool, batchOf(ids.waits));
  const second = startBatch(pool, batchOf(2));
  equal(first?.revoke(), false);
  open();
  await second?.ended;
  equal(first.revoke(), false);
  equal(second?.revoke(), false);
});

test("a batch is either taken back or answered, and with its own numbers", async (t) => {
  const random = seeded(t);
  const { pool } = await openPool(t, { workers: 2 });
  const checks: Promise<void>[] = [];
  let revoked = 0;
  for (let id = 100; id < 1_600; id += 1) {
    const started = startBatch(pool, batchOf(id, id));
    if (started === undefined) {
      await new Promise<void>((resolve) => {
        pool.onFree = resolve;
      });
      continue;
    }
    let isRevoked = false;
    const check = started.ended.then((ended) => {
      equal(isRevoked, false);
      deepEqual(idsOf(ended), [id, id]);
    });
    // Who was taken back is never told anything, so nobody may wait for it.
    if (random.int(2) === 0) {
      if (random.int(2) === 0) await new Promise(setImmediate);
      isRevoked = started.revoke();
    }
    if (isRevoked) revoked += 1;
    else checks.push(check);
  }
  await Promise.all(checks);
  await until(pool, () => pool.idleCount === 2);
  t.diagnostic(`${revoked} taken back, ${checks.length} answered`);
  ok(revoked > 0 && checks.length > 0);
});

test("only a batch that has the machine to itself runs with all its threads", async (t) => {
  const { pool, setups, open } = await openPool(t, { workers: 2 });
  deepEqual(setups.map(({ wideThreads }) => wideThreads).sort(), [0, 4]);
  const [wide] = await Promise.all([runBatch(pool, batchOf(1), true)]);
  equal(runOf(wide).isWide, true);
  // More waits.
  equal(runOf(await runBatch(pool, batchOf(1), false)).isWide, false);
  // Another one runs.
  const other = startBatch(pool, batchOf(ids.waits), false);
  const beside = await runBatch(pool, batchOf(1), true);
  equal(runOf(beside).isWide, false);
  open();
  const otherRun = runOf((await other?.ended) as Ended);
  // The worker with the wide session is the first choice.
  deepEqual(otherRun, { thread: runOf(wide).thread, isWide: false });
  equal(runOf(beside).thread === runOf(wide).thread, false);
});

test("batches get all threads again after some that had the machine to themselves", async (t) => {
  const { pool, open } = await openPool(t, { workers: 2 });
  const other = startBatch(pool, batchOf(ids.waits), true);
  await runBatch(pool, batchOf(1), true);
  open();
  await other?.ended;
  const areWide: boolean[] = [];
  for (let run = 0; run < 10; run += 1) {
    areWide.push(runOf(await runBatch(pool, batchOf(1), true)).isWide);
  }
  deepEqual(areWide, [...new Array<boolean>(8).fill(false), true, true]);
});

test("a batch that waits behind another is not wide", async (t) => {
  const { pool, open } = await openPool(t);
  const first = startBatch(pool, batchOf(ids.waits));
  const second = startBatch(pool, batchOf(2), true);
  open();
  await first?.ended;
  equal(runOf((await second?.ended) as Ended).isWide, false);
});
