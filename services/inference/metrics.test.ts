import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { FakeClock } from "../../lib/fake-clock.js";
import { createInferenceMetrics, type ModelGauge } from "./metrics.js";

function create() {
  const registry = new Registry();
  const metrics = createInferenceMetrics(registry, new FakeClock());
  const valuesOf = async (name: string) => {
    const metric = await registry.getSingleMetric(`arrowmesh_inference_${name}`)?.get();
    return metric?.values.map(({ labels, value }) => [labels.model, value]);
  };
  /** Of a histogram: how many, and their sum. */
  const totalsOf = async (name: string) => {
    const lines = (await registry.metrics()).split("\n");
    return ["count", "sum"].map((what) => {
      const line = lines.find((one) => one.startsWith(`arrowmesh_inference_${name}_${what}{`));
      return Number(line?.split(" ").at(-1));
    });
  };
  return { metrics, valuesOf, totalsOf };
}

test("each model has series of its own, from the start", async () => {
  const { metrics, valuesOf } = create();
  const [a, b] = [metrics.ofModel("a"), metrics.ofModel("b")];
  a.shed(3);
  b.shed(1);
  a.shed(2);
  b.expired(4);
  b.workerRestarted();
  a.fellBack();
  metrics.loadFailed();
  deepEqual(await valuesOf("shed_total"), [
    ["a", 5],
    ["b", 1],
  ]);
  deepEqual(await valuesOf("expired_total"), [
    ["a", 0],
    ["b", 4],
  ]);
  deepEqual(await valuesOf("worker_restarts_total"), [
    ["a", 0],
    ["b", 1],
  ]);
  deepEqual(await valuesOf("provider_fallbacks_total"), [
    ["a", 1],
    ["b", 0],
  ]);
  deepEqual(await valuesOf("load_failures_total"), [[undefined, 1]]);
});

test("a batch counts its sequences, tokens, padding and time in seconds", async () => {
  const { metrics, valuesOf, totalsOf } = create();
  const model = metrics.ofModel("a");
  model.batch([3, 10, 5], 250);
  model.batch([7], 500);
  model.queued(2_000);
  deepEqual(await valuesOf("tokens_total"), [["a", 25]]);
  deepEqual(await valuesOf("padding_tokens_total"), [["a", 12]]);
  deepEqual(await totalsOf("batch_sequences"), [2, 4]);
  deepEqual(await totalsOf("batch_tokens"), [2, 25]);
  deepEqual(await totalsOf("padding_ratio"), [2, 12 / 30]);
  deepEqual(await totalsOf("compute_seconds"), [2, 0.75]);
  deepEqual(await totalsOf("queue_seconds"), [1, 2]);
});

test("gauges tell of all versions of a model, and of none that has gone", async () => {
  const { metrics, valuesOf } = create();
  let models: ModelGauge[] = [
    { name: "a", version: "1", queueLength: 2, isHealthy: true },
    { name: "b", version: "1", queueLength: 7, isHealthy: true },
    { name: "a", version: "2", queueLength: 3, isHealthy: false },
    { name: "a", version: "3", queueLength: 0, isHealthy: true },
  ];
  metrics.observe(() => models);
  deepEqual(await valuesOf("queue_length"), [
    ["a", 5],
    ["b", 7],
  ]);
  deepEqual(await valuesOf("model_healthy"), [
    ["a", 0],
    ["b", 1],
  ]);
  deepEqual(await valuesOf("model_loaded"), [
    ["a", 1],
    ["b", 1],
    ["a", 1],
    ["a", 1],
  ]);
  models = [];
  equal((await valuesOf("queue_length"))?.length, 0);
  equal((await valuesOf("model_healthy"))?.length, 0);
});
