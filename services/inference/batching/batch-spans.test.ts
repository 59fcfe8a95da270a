import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { fakeTracing } from "../../../lib/tracing/fake-tracing.js";
import type { RecordedSpan } from "../../../lib/tracing/recorded-span.js";
import type { Span } from "../../../lib/tracing/span.js";
import { createRunner, leaving } from "../../../test/support/batch-runner.js";
import { turn } from "../../../test/support/fake-engine.js";
import { workOptions } from "../../../test/support/inference.js";

/** A runner, and calls whose traces are looked at when they have ended. */
function open(workers: number) {
  const runner = createRunner(workers);
  const tracing = fakeTracing(runner.clock);
  const begin = (): Span => tracing.begin({ role: "inference" }).begin("call");
  const spansOf = (name: string): RecordedSpan[] =>
    tracing.exported.filter((span) => span.name === name);
  return { ...runner, begin, spansOf };
}

test("a batch and its calls are linked both ways, and say what ran", async () => {
  const { engine, clock, run, begin, spansOf } = open(1);
  const calls = [begin(), begin()];
  const runs = calls.map((trace, index) => run([[1, 2, 3].slice(index)], { trace }));
  await turn();
  await clock.moveTo(5);
  await engine.finish(0, 3);
  await Promise.all(runs);
  for (const call of calls) call.end();

  const [batch] = spansOf("batch");
  ok(batch);
  deepEqual(batch.attributes, {
    "arrowmesh.batch.size": 2,
    "arrowmesh.batch.tokens": 5,
    "arrowmesh.batch.padding_tokens": 1,
    "arrowmesh.batch.padding_ratio": 1 / 6,
    "arrowmesh.batch.compute_ms": 3,
    "arrowmesh.worker": 0,
    "arrowmesh.device": "cpu",
    "arrowmesh.model": "tiny",
    "arrowmesh.model.version": "1",
    "arrowmesh.model.dtype": "float32",
  });
  const parts = spansOf("model_inference");
  deepEqual(
    parts.map(({ startMs, endMs, links, parent }) => ({ startMs, endMs, links, parent })),
    calls.map((parent) => ({ startMs: 2, endMs: 5, links: [batch], parent })),
  );
  deepEqual(batch.links, parts);
  deepEqual(
    parts.map(({ attributes }) => attributes["arrowmesh.tokens"]),
    [3, 2],
  );
  deepEqual(
    spansOf("queue").map(({ startMs, endMs }) => [startMs, endMs]),
    [
      [0, 2],
      [0, 2],
    ],
  );
});

test("a call of many rows has a run for each batch, and waits until the last of them begins", async () => {
  const { engine, clock, run, begin, spansOf } = open(1);
  const trace = begin();
  const running = run([[1], [2], [3], [4], [5], [6]], { trace });
  await turn();
  await clock.moveTo(10);
  await engine.finish(0, 10);
  await clock.moveTo(20);
  await engine.finish(0, 4);
  await running;
  trace.end();
  deepEqual(
    spansOf("model_inference").map(({ startMs, attributes }) => [
      startMs,
      attributes["arrowmesh.inputs"],
    ]),
    [
      [0, 4],
      [16, 2],
    ],
  );
  deepEqual(
    spansOf("queue").map(({ endMs }) => endMs),
    [16],
  );
});

test("a batch whose worker died has failed, and its rows wait and run again", async () => {
  const { engine, clock, run, begin, spansOf } = open(1);
  const trace = begin();
  const running = run([[1]], { trace });
  await turn();
  await clock.moveTo(2);
  await engine.lose();
  await turn();
  await clock.moveTo(4);
  await engine.finish(0, 1);
  await running;
  trace.end();
  const outcomes = spansOf("model_inference").map(({ error }) => error?.fault);
  deepEqual(outcomes, ["unavailable", undefined]);
  deepEqual(
    spansOf("batch").map(({ error }) => error?.fault),
    ["unavailable", undefined],
  );
  deepEqual(
    spansOf("queue").map(({ startMs, endMs, error }) => [startMs, endMs, error]),
    [
      [0, 0, undefined],
      [2, 3, undefined],
    ],
  );
});

test("a model's failure is that of its run and not of the wait", async () => {
  const { engine, run, begin, spansOf } = open(1);
  const trace = begin();
  const running = run([[1]], { trace });
  await turn();
  await Promise.all([rejects(running), engine.fail(new Error("bad input"))]);
  trace.end();
  equal(spansOf("model_inference")[0]?.error?.message, "the model failed");
  equal(spansOf("queue")[0]?.error, undefined);
});

test("who leaves while it runs shows how far it came, and the batch goes on for the others", async () => {
  const { engine, clock, run, begin, spansOf } = open(1);
  const [left, stayed] = [begin(), begin()];
  const { signal, leave } = leaving();
  const gone = run([[1]], { trace: left, signal });
  const answered = run([[2]], { trace: stayed });
  await turn();
  await clock.moveTo(3);
  leave();
  await rejects(gone, { fault: "cancelled" });
  left.end();
  await clock.moveTo(9);
  await engine.finish(0, 9);
  await answered;
  stayed.end();
  deepEqual(
    spansOf("model_inference").map(({ endMs, error }) => [endMs, error?.fault]),
    [
      [3, "cancelled"],
      [9, undefined],
    ],
  );
  equal(spansOf("batch").length, 1);
  equal(spansOf("batch")[0]?.error, undefined);
  equal(spansOf("batch")[0]?.links.length, 2);
});

test("who is refused, or waits in vain, has a wait that failed and no run", async () => {
  const { clock, run, begin, spansOf } = open(0);
  const traces = [begin(), begin()];
  const waiting = run(
    Array.from({ length: 8 }, () => [1]),
    { trace: traces[0] as Span },
  );
  await rejects(run([[1]], { trace: traces[1] as Span }), { fault: "overloaded" });
  await turn();
  await Promise.all([rejects(waiting, { fault: "unavailable" }), clock.moveTo(1_000)]);
  for (const trace of traces) trace.end();
  deepEqual(
    spansOf("queue").map(({ error }) => error?.fault),
    ["unavailable", "overloaded"],
  );
  equal(spansOf("model_inference").length, 0);
});

test("a request of tensors says nothing of tokens", async () => {
  const { engine, runner, begin, spansOf } = open(1);
  const trace = begin();
  const tensors = { kind: "tensors", inputs: [], outputNames: [] } as const;
  const running = runner.runTensors(tensors, workOptions({ trace }));
  await turn();
  await engine.finish();
  await running;
  trace.end();
  const [span] = spansOf("model_inference");
  equal(span?.attributes["arrowmesh.batch.size"], 1);
  const names = Object.keys(span.attributes);
  deepEqual(
    names.filter((name) => /token|padding/.test(name)),
    [],
  );
});
