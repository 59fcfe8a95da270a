import { deepEqual, doesNotMatch, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { MeshError } from "../../../lib/errors.js";
import { createRunner, leaving } from "../../../test/support/batch-runner.js";
import { turn } from "../../../test/support/fake-engine.js";
import { float32Tensor, workOptions } from "../../../test/support/inference.js";

const ones = (count: number) => Array.from({ length: count }, () => [1]);

test("a full queue refuses a whole call, and says when to come again", async () => {
  const { engine, runner, run, metric } = createRunner(1);
  engine.workersUp = 0;
  const accepted = [run(ones(7)), run(ones(3))];
  await rejects(run(ones(2)), (error) => {
    const { fault, details } = error as MeshError;
    deepEqual([fault, details.retryAfterMs], ["overloaded", 1_000]);
    return true;
  });
  deepEqual([runner.queueLength, await metric("shed_total")], [10, 2]);
  engine.workersUp = 1;
  engine.onFree();
  await engine.drain();
  deepEqual(
    (await Promise.all(accepted)).map((rows) => rows.length),
    [7, 3],
  );
});

test("what waits too long is given up, while every worker is busy", async () => {
  const { engine, clock, runner, run, metric } = createRunner(1);
  const running = run([[1]]);
  await turn();
  const late = rejects(run([[2], [3]]), (error) => {
    const { fault, message, details } = error as MeshError;
    deepEqual([fault, message], ["unavailable", "Request timeout expired"]);
    equal(details.retryAfterMs, 1_000);
    return true;
  });
  await clock.moveTo(999);
  equal(runner.queueLength, 2);
  await clock.moveTo(1_000);
  await late;
  deepEqual([runner.queueLength, await metric("expired_total")], [0, 2]);
  await engine.drain();
  deepEqual(await running, [[1, 1]]);
  deepEqual(engine.rows, [[[1]]]);
});

test("each call is given up in its own time", async () => {
  const { engine, clock, run } = createRunner(1);
  const ended: string[] = [];
  const running = run([[1]]);
  await turn();
  const late = [run([[2]]).catch(() => ended.push("first"))];
  await turn();
  await clock.moveTo(400);
  late.push(run([[3]]).catch(() => ended.push("second")));
  await turn();
  await clock.moveTo(1_399);
  deepEqual(ended, ["first"]);
  await clock.moveTo(1_400);
  deepEqual(ended, ["first", "second"]);
  const next = run([[4]]);
  await engine.drain();
  await Promise.all([running, next, ...late]);
  deepEqual(engine.rows, [[[1]], [[4]]]);
});

test("a call of which a part waits too long never comes back, whatever runs of it", async () => {
  const { engine, clock, run } = createRunner(1);
  const late = rejects(run(ones(6)), { fault: "unavailable" });
  await turn();
  await clock.moveTo(1_000);
  await late;
  await engine.drain();
  equal(engine.batches.length, 1);
});

test("a batch whose worker died runs once more, then fails as unavailable", async () => {
  const { engine, run } = createRunner(1);
  const lucky = run([[1]]);
  await turn();
  await engine.lose();
  await engine.finish();
  deepEqual(await lucky, [[1, 1]]);

  const refused = rejects(run([[2], [3]]), (error) => {
    const { fault, details } = error as MeshError;
    deepEqual([fault, details.retryAfterMs], ["unavailable", 1_000]);
    return true;
  });
  await turn();
  await engine.lose();
  await engine.lose();
  await refused;
  equal(engine.runningCount, 0);
  deepEqual(engine.rows.slice(2), [
    [[2], [3]],
    [[2], [3]],
  ]);
});

test("only the batch that ran is blamed for its worker's death", async () => {
  const { engine, run } = createRunner(1);
  const calls = [run([[1], [1], [1], [1]])];
  await turn();
  calls.push(run([[2], [2], [2], [2]]));
  await turn();
  await engine.lose();
  // Now the two change places, and each has one more death to survive.
  equal(engine.rows.at(-2)?.[0]?.[0], 2);
  await engine.lose();
  await engine.drain();
  deepEqual(
    (await Promise.all(calls)).map((rows) => rows.length),
    [4, 4],
  );
});

test("a lost batch runs again without rows whose caller has left", async () => {
  const { engine, run } = createRunner(1);
  const { signal, leave } = leaving();
  const left = rejects(run([[2]], { signal }), { fault: "cancelled" });
  const stayed = run([[3]]);
  await turn();
  leave();
  await left;
  await engine.lose();
  await engine.finish();
  deepEqual(await stayed, [[3, 1]]);
  deepEqual(engine.rows, [[[2], [3]], [[3]]]);
});

test("lost work goes first again", async () => {
  const { engine, run } = createRunner(1);
  const calls = [run([[1]])];
  await turn();
  calls.push(run([[2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]]));
  await turn();
  await engine.lose();
  await engine.drain();
  await Promise.all(calls);
  deepEqual(
    engine.rows.map(([ids]) => ids?.[0]),
    [1, 1, 2],
  );
});

test("what the model says when it fails stays inside", async () => {
  const { engine, run } = createRunner(1);
  const refused = rejects(run([[1]]), (error) => {
    const { fault, message, cause } = error as MeshError;
    equal(fault, "internal");
    doesNotMatch(message, /secret/);
    // The log may have it.
    equal((cause as Error).message, "secret detail of the model");
    return true;
  });
  await turn();
  await engine.fail(new Error("secret detail of the model"));
  await refused;
});

test("a call that fails in one batch takes its other rows out of the queue and of batches that wait", async () => {
  const { engine, runner, run } = createRunner(2);
  const refused = rejects(run(ones(17)), { fault: "internal" });
  await turn();
  deepEqual([engine.batches.length, engine.prefetchCount, runner.queueLength], [3, 1, 5]);
  await engine.fail(new Error("no"), 1);
  await refused;
  deepEqual([engine.runningCount, engine.prefetchCount, runner.queueLength], [1, 1, 0]);
  await engine.finish();
  equal(engine.runningCount, 0);
  const next = run([[10]]);
  await turn();
  await engine.drain();
  deepEqual(await next, [[10, 1]]);
  equal(engine.batches.length, 4);
});

test("every call of a failed batch fails, and no other", async () => {
  const { engine, run } = createRunner(2);
  const failing = [run([[1]]), run([[2]])].map((call) => rejects(call, { fault: "internal" }));
  const fine = run([[3], [4]]);
  await turn();
  await engine.fail(new Error("no"));
  await engine.drain();
  await Promise.all(failing);
  deepEqual(await fine, [
    [3, 1],
    [4, 1],
  ]);
});

test("a request of tensors fails, expires and dies as others do", async () => {
  const { engine, clock, runner } = createRunner(1);
  const inputs = [float32Tensor("x", [1], [7])];
  const request = (): Promise<unknown> =>
    runner.runTensors({ kind: "tensors", inputs, outputNames: [] }, workOptions());
  const failing = rejects(request(), { fault: "internal" });
  await turn();
  await engine.fail(new Error("no"));
  await failing;
  const dying = rejects(request(), { fault: "unavailable" });
  await turn();
  await engine.lose();
  await engine.lose();
  await dying;
  const running = request();
  await turn();
  const late = rejects(request(), { message: "Request timeout expired" });
  await turn();
  await clock.moveTo(1_000);
  await late;
  await engine.drain();
  deepEqual(await running, inputs);
});

test("closing ends what waits, what runs and what comes later, and leaves no timer", async () => {
  const { engine, clock, runner, run } = createRunner(1, { queueMax: 100 });
  const calls = [run(ones(4)), run(ones(4)), run([[3]])];
  await turn();
  calls.push(run([[4]]));
  const refused = calls.map((call) => rejects(call, { fault: "unavailable" }));
  runner.close();
  await Promise.all(refused);
  await rejects(run([[5]]), { fault: "unavailable" });
  await engine.lose();
  deepEqual([runner.queueLength, engine.runningCount], [0, 0]);
  await clock.moveTo(10_000);
  equal(engine.batches.length, 2);
});

test("statistics and metrics count calls, sequences, batches and their times", async () => {
  const { engine, clock, statistics, run, metric } = createRunner(1);
  const calls = [run([[1], [2, 2]]), run([[3, 3, 3]])];
  await turn();
  const failing = rejects(run([[4]]), { fault: "internal" });
  await clock.moveTo(50);
  await engine.finish(0, 20);
  await clock.moveTo(60);
  await engine.fail(new Error("no"));
  await Promise.all([...calls, failing]);
  deepEqual(
    { ...statistics },
    {
      inferenceCount: 3,
      executionCount: 1,
      lastInferenceAtMs: 50,
      success: { count: 2, ns: 100e6 },
      failure: { count: 1, ns: 60e6 },
      queue: { count: 3, ns: 90e6 },
      compute: { count: 1, ns: 20e6 },
    },
  );
  equal(await metric("tokens_total"), 6);
  equal(await metric("padding_tokens_total"), 3);
});
