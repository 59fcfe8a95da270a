import { deepEqual, doesNotMatch, equal, rejects } from "node:assert/strict";
import { setMaxListeners } from "node:events";
import { test } from "node:test";
import { Registry } from "prom-client";
import { MeshError } from "../../lib/errors.js";
import { seeded } from "../../test/support/random.js";
import { BatchRunner } from "./batch-runner.js";
import { createInferenceMetrics } from "./metrics.js";
import { type Batch, type Model, WorkerLost } from "./model.js";

const limits = { batchSequencesMax: 4, batchTokensMax: 100, queueMax: 8 };
const { signal } = new AbortController();
// Hundreds of calls share it in these tests; in the service each call has its own.
setMaxListeners(0, signal);
const options = { normalize: true, signal };

/** Answers [sum of ids, count of ids] for each sequence, when the test says so. */
class HeldModel implements Model {
  onIdle = (): void => {};
  idleCount: number;
  readonly batches: Batch[] = [];
  readonly #held: ((failure?: Error) => void)[] = [];

  constructor(workers: number) {
    this.idleCount = workers;
  }

  run(batch: Batch): Promise<Float32Array> {
    this.batches.push(batch);
    this.idleCount -= 1;
    return new Promise((resolve, reject) => {
      this.#held.push((failure) => {
        this.idleCount += 1;
        if (failure === undefined) resolve(Float32Array.from(batch.sequences.flatMap(vectorOf)));
        else reject(failure);
        this.onIdle();
      });
    });
  }

  get running(): number {
    return this.#held.length;
  }

  /** Ends one running batch and lets its continuations run. */
  async finish(index = 0, failure?: Error): Promise<void> {
    this.#held.splice(index, 1)[0]?.(failure);
    await turn();
  }
}

function vectorOf(ids: readonly number[]): number[] {
  return [ids.reduce((sum, id) => sum + id, 0), ids.length];
}

function turn(): Promise<void> {
  return new Promise(setImmediate);
}

function runnerOf(model: Model): BatchRunner {
  return new BatchRunner(limits, {
    model,
    dimensions: 2,
    metrics: createInferenceMetrics(new Registry()),
  });
}

test("what arrives in one turn runs together", async () => {
  const model = new HeldModel(1);
  const runner = runnerOf(model);
  const answers = [runner.run([[1, 2]], options), runner.run([[3]], options)];
  await turn();
  equal(model.batches.length, 1);
  await model.finish();
  deepEqual(await Promise.all(answers), [Float32Array.of(3, 2), Float32Array.of(3, 1)]);
});

test("a call over several batches is answered once, in its own order", async () => {
  const model = new HeldModel(2);
  const call = runnerOf(model).run([[1], [2, 2], [3], [4, 4], [5], [6]], options);
  await turn();
  await model.finish(1);
  while (model.running > 0) await model.finish();
  deepEqual(await call, Float32Array.of(1, 1, 4, 2, 3, 1, 8, 2, 5, 1, 6, 1));
});

test("a full queue sheds with a fault, not a delay", async () => {
  const model = new HeldModel(0);
  const runner = runnerOf(model);
  const accepted = Array.from({ length: 8 }, () => runner.run([[1]], options));
  await rejects(runner.run([[1]], options), { fault: "overloaded" });
  model.idleCount = 2;
  model.onIdle();
  while (model.running > 0) await model.finish();
  equal((await Promise.all(accepted)).length, 8);
});

test("a call whose caller left never reaches the model", async () => {
  const model = new HeldModel(1);
  const runner = runnerOf(model);
  const first = runner.run([[1]], options);
  await turn();
  const leaving = new AbortController();
  const left = runner.run([[2]], { normalize: true, signal: leaving.signal });
  const stayed = runner.run([[3]], options);
  leaving.abort(new MeshError("cancelled", "the caller left"));
  await rejects(left, { fault: "cancelled" });
  await model.finish();
  await model.finish();
  await Promise.all([first, stayed]);
  deepEqual(
    model.batches.map(({ sequences }) => sequences),
    [[[1]], [[3]]],
  );
});

test("a batch whose worker died runs once more, then fails as unavailable", async () => {
  const model = new HeldModel(1);
  const runner = runnerOf(model);
  const lucky = runner.run([[1]], options);
  await turn();
  await model.finish(0, new WorkerLost("died"));
  await turn();
  await model.finish();
  deepEqual(await lucky, Float32Array.of(1, 1));

  const unlucky = runner.run([[2]], options);
  const refused = rejects(unlucky, { fault: "unavailable" });
  await turn();
  for (let attempt = 0; attempt < 2; attempt += 1) {
    await model.finish(0, new WorkerLost("died"));
    await turn();
  }
  await refused;
  equal(model.running, 0);
});

test("a lost batch runs again without the sequences whose caller has left", async () => {
  const model = new HeldModel(1);
  const runner = runnerOf(model);
  const leaving = new AbortController();
  const left = runner.run([[2]], { normalize: true, signal: leaving.signal });
  const stayed = runner.run([[3]], options);
  await turn();
  leaving.abort(new MeshError("cancelled", "the caller left"));
  await rejects(left, { fault: "cancelled" });
  await model.finish(0, new WorkerLost("died"));
  await turn();
  await model.finish();
  deepEqual(await stayed, Float32Array.of(3, 1));
  deepEqual(
    model.batches.map(({ sequences }) => sequences),
    [[[2], [3]], [[3]]],
  );
});

test("a call whose caller left while the model ran is not answered twice", async () => {
  const model = new HeldModel(1);
  const leaving = new AbortController();
  const left = runnerOf(model).run([[2]], { normalize: true, signal: leaving.signal });
  await turn();
  leaving.abort(new MeshError("deadline", "too late"));
  await rejects(left, { fault: "deadline" });
  await model.finish();
  equal(model.batches.length, 1);
});

test("a call that fails in one batch takes its waiting sequences out of the queue", async () => {
  const model = new HeldModel(1);
  const runner = runnerOf(model);
  const sequences = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((id) => [id]);
  const refused = rejects(runner.run(sequences, options), { fault: "internal" });
  await turn();
  await model.finish(0, new Error("no"));
  await refused;
  const next = runner.run([[10]], options);
  while (model.running > 0) await model.finish();
  deepEqual(await next, Float32Array.of(10, 1));
  // The second batch was on its way when the first one failed.
  deepEqual(
    model.batches.map((batch) => batch.sequences.map(([id]) => id)),
    [[1, 2, 3, 4], [5, 6, 7, 8], [10]],
  );
});

test("what the model says when it fails stays inside", async () => {
  const model = new HeldModel(1);
  const failing = runnerOf(model).run([[1]], options);
  const refused = rejects(failing, (error) => {
    equal((error as MeshError).fault, "internal");
    doesNotMatch((error as MeshError).message, /secret/);
    return true;
  });
  await turn();
  await model.finish(0, new Error("secret detail of the model"));
  await refused;
});

test("rows find their calls, whatever order batches end in", async (t) => {
  const random = seeded(t);
  const model = new HeldModel(3);
  const runner = runnerOf(model);
  const checks: Promise<void>[] = [];
  for (let step = 0; step < 2_000; step += 1) {
    if (random.int(3) === 0 && model.running > 0) {
      await model.finish(random.int(model.running));
    } else {
      const sequences = Array.from({ length: 1 + random.int(6) }, () =>
        Array.from({ length: 1 + random.int(20) }, () => random.int(1_000)),
      );
      const expected = Float32Array.from(sequences.flatMap(vectorOf));
      const call = runner.run(sequences, options).then(
        (vectors) => deepEqual(vectors, expected),
        (error) => equal((error as MeshError).fault, "overloaded"),
      );
      checks.push(call);
      await turn();
    }
  }
  while (model.running > 0) await model.finish(random.int(model.running));
  await Promise.all(checks);
});
