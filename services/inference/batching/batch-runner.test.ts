import { deepEqual, equal, rejects } from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { Priority } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { createRunner, leaving } from "../../../test/support/batch-runner.js";
import { turn } from "../../../test/support/fake-engine.js";
import { float32Tensor, workOptions } from "../../../test/support/inference.js";
import type { TensorBatch } from "./batch.js";

const ones = (count: number) => Array.from({ length: count }, () => [1]);
const tensorBatch: TensorBatch = {
  kind: "tensors",
  inputs: [float32Tensor("x", [1], [7])],
  outputNames: [],
};

test("what arrives in one turn runs together", async () => {
  const { engine, run } = createRunner(1);
  const answers = [run([[1, 2]]), run([[3]])];
  await turn();
  deepEqual(engine.rows, [[[1, 2], [3]]]);
  await engine.finish();
  deepEqual(await Promise.all(answers), [[[3, 2]], [[3, 1]]]);
});

test("a call over several batches is answered once, in its own order", async () => {
  const { engine, run } = createRunner(2);
  const call = run([[1], [2, 2], [3], [4, 4], [5], [6]]);
  await turn();
  equal(engine.batches.length, 2);
  await engine.finish(1);
  await engine.drain();
  deepEqual(await call, [
    [1, 1],
    [4, 2],
    [3, 1],
    [8, 2],
    [5, 1],
    [6, 1],
  ]);
});

test("without a worker everything waits until one is free", async () => {
  const { engine, runner, run } = createRunner(1);
  engine.workersUp = 0;
  const call = run([[1]]);
  await turn();
  equal(runner.queueLength, 1);
  engine.workersUp = 1;
  engine.onFree();
  equal(runner.queueLength, 0);
  await engine.finish();
  deepEqual(await call, [[1, 1]]);
});

test("a worker that is not there after all leaves the queue as it is", async () => {
  const { engine, runner, run } = createRunner(1);
  const start = engine.start.bind(engine);
  engine.start = () => undefined;
  const calls = [run([[1]]), run([[2]])];
  await turn();
  equal(runner.queueLength, 2);
  engine.start = start;
  engine.onFree();
  await engine.finish();
  deepEqual(await Promise.all(calls), [[[1, 1]], [[2, 1]]]);
});

test("a batch waits at its worker only when enough wait for all workers", async () => {
  const { engine, runner, run } = createRunner(1);
  const calls = [run(ones(4))];
  await turn();
  calls.push(run(ones(3)));
  await turn();
  deepEqual([engine.batches.length, runner.queueLength], [1, 3]);
  calls.push(run(ones(1)));
  await turn();
  deepEqual([engine.batches.length, runner.queueLength], [2, 0]);
  calls.push(run(ones(8)));
  await turn();
  deepEqual([engine.batches.length, runner.queueLength], [2, 8]);
  await engine.finish();
  // Four wait at the worker, and four more are enough for a batch, but not for one more of them.
  deepEqual([engine.batches.length, runner.queueLength], [3, 4]);
  await engine.drain();
  await Promise.all(calls);
});

test("with two workers, what is enough is twice as much", async () => {
  const { engine, runner, run } = createRunner(2);
  const calls = [run(ones(8))];
  await turn();
  calls.push(run(ones(7)));
  await turn();
  deepEqual([engine.batches.length, runner.queueLength], [2, 7]);
  calls.push(run(ones(1)));
  await turn();
  deepEqual([engine.batches.length, runner.queueLength], [3, 4]);
  await engine.drain();
  await Promise.all(calls);
});

test("a batch may use the whole machine when nothing else waits", async () => {
  const { engine, run } = createRunner(1);
  const calls = [run([[1]])];
  await turn();
  calls.push(run(ones(8)));
  await turn();
  await engine.drain();
  await Promise.all(calls);
  deepEqual(
    engine.batches.map(({ isLast }) => isLast),
    [true, false, true],
  );
});

test("a caller who leaves takes its waiting rows along", async () => {
  const { engine, runner, run } = createRunner(1);
  const first = run([[1]]);
  await turn();
  const { signal, leave } = leaving();
  const left = rejects(run([[2], [4]], { signal }), { fault: "cancelled" });
  const stayed = run([[3]]);
  await turn();
  leave();
  await left;
  equal(runner.queueLength, 1);
  await engine.drain();
  await Promise.all([first, stayed]);
  deepEqual(engine.rows, [[[1]], [[3]]]);
});

test("a caller who left before costs nothing", async () => {
  const { engine, runner, run } = createRunner(1);
  const { signal, leave } = leaving();
  leave();
  await rejects(run([[1]], { signal }), { fault: "cancelled" });
  equal(runner.queueLength, 0);
  await turn();
  equal(engine.batches.length, 0);
});

test("a caller who leaves takes back a batch that has not begun; the others in it go first again", async () => {
  const { engine, runner, run } = createRunner(1);
  const first = run(ones(4));
  await turn();
  const { signal, leave } = leaving();
  const left = rejects(run([[2], [2]], { signal }), { fault: "cancelled" });
  const stayed = [run([[3]]), run([[4]])];
  await turn();
  stayed.push(run([[5]]));
  await turn();
  deepEqual(engine.rows, [ones(4), [[2], [2], [3], [4]]]);
  leave();
  await left;
  await turn();
  equal(runner.queueLength, 3);
  await engine.drain();
  await first;
  deepEqual(await Promise.all(stayed), [[[3, 1]], [[4, 1]], [[5, 1]]]);
  deepEqual(engine.rows.at(-1), [[3], [4], [5]]);
});

test("when the worker is faster than the caller who leaves, the others get their answers", async () => {
  const { engine, run } = createRunner(1);
  engine.isRevocable = false;
  const first = run(ones(4));
  await turn();
  const { signal, leave } = leaving();
  const left = rejects(run([[2]], { signal }), { fault: "cancelled" });
  const stayed = run([[3], [4], [5]]);
  await turn();
  leave();
  await left;
  await engine.drain();
  await first;
  deepEqual(await stayed, [
    [3, 1],
    [4, 1],
    [5, 1],
  ]);
  equal(engine.batches.length, 2);
});

test("a call whose caller left while the model ran is not answered twice", async () => {
  const { engine, run } = createRunner(1);
  const { signal, leave } = leaving();
  const left = run([[2]], { signal });
  await turn();
  leave();
  await rejects(left, { fault: "cancelled" });
  await engine.finish();
  equal(engine.batches.length, 1);
});

test("a call that ended leaves no listener behind", async () => {
  const { engine, run } = createRunner(1);
  const { signal, leave } = leaving();
  const calls = [run([[1]], { signal }), run(ones(9), { signal })];
  await rejects(run([[1]], { signal }), { fault: "overloaded" });
  await turn();
  await engine.finish();
  equal((await Promise.race(calls)).length, 1);
  equal(getEventListeners(signal, "abort").length, 1);
  const left = rejects(Promise.all(calls), { fault: "cancelled" });
  leave();
  await left;
  equal(getEventListeners(signal, "abort").length, 0);
});

test("bulk goes last, and callers take turns", async () => {
  const { engine, run } = createRunner(1, { queueMax: 100 });
  const calls = [
    run([[0]]),
    run(ones(4), { priority: Priority.BULK }),
    run([[2], [2], [2]], { caller: "many" }),
    run([[3]], { caller: "one" }),
  ];
  await turn();
  await engine.drain();
  await Promise.all(calls);
  deepEqual(engine.rows, [[[0], [2], [3], [2]], [[2], [1], [1], [1]], [[1]]]);
});

test("a request of tensors runs by itself and gets its tensors", async () => {
  const { engine, runner, run } = createRunner(1);
  const calls = [run([[1]]), run([[2]])];
  const tensors = runner.runTensors(tensorBatch, workOptions());
  calls.push(run([[3]]));
  await turn();
  await engine.drain();
  await Promise.all(calls);
  deepEqual(await tensors, tensorBatch.inputs);
  deepEqual(
    engine.batches.map(({ batch }) => batch.kind),
    ["sequences", "tensors"],
  );
  deepEqual(engine.rows[0], [[1], [2], [3]]);
});
