import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { Registry } from "prom-client";
import { systemClock } from "../../lib/clock.js";
import { Deferred } from "../../lib/defer.js";
import { createLog } from "../../lib/log.js";
import { createInferenceMetrics } from "./metrics.js";
import { WorkerLost } from "./model.js";
import type { WorkerSetup } from "./onnx-worker.js";
import { WorkerPool } from "./worker-pool.js";

/**
 * A thread that answers each sequence with its first id, twice; id 13 ends the thread, 14 hangs it, 15 is an error.
 */
const program = `
  const { parentPort, workerData: { slot } } = require("node:worker_threads");
  parentPort.on("message", ({ sequences, longest }) => {
    for (let row = 0; row < sequences; row += 1) {
      const id = slot.ids[row * longest];
      if (id === 13) process.exit(1);
      if (id === 14) for (;;);
      if (id === 15) return parentPort.postMessage({ kind: "failed", message: "no" });
      slot.vectors.fill(id, row * 2, row * 2 + 2);
    }
    parentPort.postMessage({ kind: "done" });
  });
  parentPort.postMessage({ kind: "ready" });
`;

async function withPool(
  workers: number,
  use: (pool: WorkerPool, registry: Registry) => Promise<void>,
  code = program,
  threads: Worker[] = [],
): Promise<void> {
  const deferred = new Deferred();
  const registry = new Registry();
  try {
    const pool = await WorkerPool.open(
      {
        workers,
        size: { batchSequencesMax: 4, batchTokensMax: 64, dimensions: 2 },
        setup: { file: "", threads: 1, dimensions: 2, pooling: "mean" },
        batchMsMax: 500,
      },
      {
        clock: systemClock,
        log: createLog("silent"),
        metrics: createInferenceMetrics(registry),
        defer: deferred.defer,
        createWorker: (setup: WorkerSetup) => {
          const worker = new Worker(code, { eval: true, workerData: setup });
          threads.push(worker);
          return worker;
        },
      },
    );
    await use(pool, registry);
  } finally {
    await deferred.releaseAll();
  }
}

function batchOf(...firstIds: number[]) {
  return { sequences: firstIds.map((id) => [id, 1]), normalize: firstIds.map(() => true) };
}

async function restarts(registry: Registry): Promise<number> {
  const metric = await registry.getSingleMetric("arrowmesh_inference_worker_restarts_total")?.get();
  return metric?.values[0]?.value ?? 0;
}

function untilIdle(pool: WorkerPool): Promise<void> {
  return new Promise((resolve) => {
    pool.onIdle = () => {
      if (pool.idleCount > 0) resolve();
    };
    pool.onIdle();
  });
}

test("a batch comes back as rows", () =>
  withPool(2, async (pool) => {
    equal(pool.idleCount, 2);
    const [first, second] = await Promise.all([pool.run(batchOf(1, 2)), pool.run(batchOf(3))]);
    deepEqual(first, Float32Array.of(1, 1, 2, 2));
    deepEqual(second, Float32Array.of(3, 3));
    equal(pool.idleCount, 2);
  }));

test("vectors stay when the next batch runs on the same worker", () =>
  withPool(1, async (pool) => {
    const first = await pool.run(batchOf(1));
    await pool.run(batchOf(2));
    deepEqual(first, Float32Array.of(1, 1));
  }));

test("an error of the model is the batch's, and the worker goes on", () =>
  withPool(1, async (pool) => {
    await rejects(pool.run(batchOf(15)), /no/);
    deepEqual(await pool.run(batchOf(4)), Float32Array.of(4, 4));
  }));

for (const [fault, id] of [
  ["dies", 13],
  ["hangs", 14],
] as const) {
  test(`a worker that ${fault} loses its batch and is replaced`, () =>
    withPool(1, async (pool, registry) => {
      await rejects(pool.run(batchOf(id)), WorkerLost);
      await untilIdle(pool);
      deepEqual(await pool.run(batchOf(5)), Float32Array.of(5, 5));
      equal(await restarts(registry), 1);
    }));
}

test("a model that does not load is an error at the start", () =>
  rejects(
    withPool(1, async () => {}, "throw new Error('no model')"),
    /no model/,
  ));

test("closing ends every thread, and a batch that runs is lost", async () => {
  const threads: Worker[] = [];
  let lost: Promise<void> | undefined;
  await withPool(
    3,
    async (pool) => {
      lost = rejects(pool.run(batchOf(14)), WorkerLost);
    },
    program,
    threads,
  );
  await lost;
  deepEqual(
    threads.map(({ threadId }) => threadId),
    [-1, -1, -1],
  );
});

test("without an idle worker a batch is refused as lost, and may be tried again", () =>
  withPool(1, async (pool) => {
    const running = pool.run(batchOf(1));
    equal(pool.idleCount, 0);
    await rejects(pool.run(batchOf(2)), WorkerLost);
    deepEqual(await running, Float32Array.of(1, 1));
  }));

test("the pool is ready while one worker lives", () =>
  withPool(2, async (pool) => {
    equal(pool.isReady, true);
    const both = [pool.run(batchOf(13)), pool.run(batchOf(13))];
    await Promise.all(both.map((batch) => rejects(batch, WorkerLost)));
    await untilIdle(pool);
    equal(pool.isReady, true);
  }));
