import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { type Fault, MeshError } from "../../lib/errors.js";
import { FakeClock } from "../../lib/fake-clock.js";
import { measureCalls } from "../../lib/interceptors/metrics.js";
import { observeCalls } from "../../lib/interceptors/observe.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { callContext } from "../../test/support/call-context.js";
import { usageOf } from "../../test/support/usage.js";
import { createGatewayMetrics } from "./metrics.js";
import type { Timing } from "./operations/work.js";
import type { AnsweredWork, FailedWork } from "./operations/work-counts.js";

const timing: Timing = { totalMs: 40, tokenizationMs: 2, queueMs: 8, computeMs: 30 };

function open(areCompatibleMetricsServed = true) {
  const registry = new Registry();
  const clock = new FakeClock();
  const metrics = createGatewayMetrics({ registry, clock, areCompatibleMetricsServed });
  const intercept = observeCalls(clock, [measureCalls(registry, clock)]);
  const linesOf = async () => new Set((await registry.metrics()).split("\n"));
  return { metrics, intercept, linesOf };
}

function answered(over: Partial<AnsweredWork> = {}): AnsweredWork {
  return {
    kind: "embed",
    usage: { ...usageOf([3, 4]), timing },
    requestMs: 50,
    isComputed: true,
    context: fromRoute("POST /embed"),
    exemplarId: undefined,
    ...over,
  };
}

function failed(fault: Fault, over: Partial<FailedWork> = {}): FailedWork {
  const error = new MeshError(fault, "refused");
  return { kind: "embed", model: "m", inputs: 1, inputsMax: 32, error, ...over };
}

function fromRoute(route: string): CallContext {
  return callContext({ caller: { apiKey: "", tier: "", user: "", route } });
}

function requireLines(lines: ReadonlySet<string>, expected: readonly string[]): void {
  const absent = expected.filter((line) => !lines.has(line));
  deepEqual(absent, []);
}

test("the stages of an answered request are timed by model, and its tokens counted", async () => {
  const { metrics, linesOf } = open();
  metrics.work.answered(answered());
  requireLines(await linesOf(), [
    'arrowmesh_gateway_request_seconds_sum{model="m"} 0.05',
    'arrowmesh_gateway_tokenization_seconds_sum{model="m"} 0.002',
    'arrowmesh_gateway_queue_seconds_sum{model="m"} 0.008',
    'arrowmesh_gateway_compute_seconds_sum{model="m"} 0.03',
    'arrowmesh_gateway_tokens_total{model="m"} 7',
  ]);
});

test("what was remembered has no queue and no computation to time", async () => {
  const { metrics, linesOf } = open();
  metrics.work.answered(answered({ isComputed: false }));
  requireLines(await linesOf(), [
    'arrowmesh_gateway_request_seconds_count{model="m"} 1',
    'arrowmesh_gateway_queue_seconds_count{model="m"} 0',
    'arrowmesh_gateway_compute_seconds_count{model="m"} 0',
  ]);
});

test("text-embeddings-inference's names count each request once and each of its inputs once", async () => {
  const { metrics, linesOf } = open();
  metrics.work.answered(answered());
  metrics.work.answered(answered({ kind: "predict", usage: { ...usageOf([5]), timing } }));
  metrics.work.failed(failed("deadline", { inputs: 3 }));
  requireLines(await linesOf(), [
    'te_request_count{method="single"} 1',
    'te_request_count{method="batch"} 2',
    'te_request_success{method="single"} 1',
    'te_request_success{method="batch"} 1',
    'te_request_failure{err="inference"} 1',
    "te_request_duration_count 2",
    "te_request_queue_duration_sum 0.016",
    "te_request_input_length_count 3",
    "te_request_input_length_sum 12",
    "te_embed_count 5",
    "te_embed_success 2",
    "te_embed_duration_count 2",
    "te_embed_inference_duration_sum 0.06",
    "te_predict_count 1",
    "te_predict_success 1",
    "te_predict_tokenization_duration_count 1",
    // Its first bound and its last.
    'te_request_duration_bucket{le="0.000015000000000000002"} 0',
    'te_request_duration_bucket{le="+Inf"} 2',
  ]);
});

test("failures have its words, and no input counts that never came to a model", async () => {
  for (const [work, reason, begun] of [
    [failed("invalid"), "validation", 1],
    [failed("invalid", { inputs: 33 }), "batch_size", 33],
    [failed("wrong_task"), "model_type", 0],
    [failed("overloaded"), "overloaded", 0],
    [failed("limited"), "overloaded", 0],
    [failed("cancelled"), "dropped", 1],
    [failed("internal"), "inference", 1],
  ] as const) {
    const { metrics, linesOf } = open();
    metrics.work.failed(work);
    requireLines(await linesOf(), [
      `te_request_failure{err="${reason}"} 1`,
      `te_embed_count ${begun}`,
    ]);
  }
});

test("predictions are counted by model, and those for no model of ours together", async () => {
  const { metrics, linesOf } = open();
  metrics.work.answered(answered());
  metrics.work.failed(failed("internal"));
  metrics.work.failed(failed("not_found", { model: "" }));
  metrics.work.failed(failed("not_found", { model: "" }));
  requireLines(await linesOf(), [
    'predictions_total{model="m",status="success"} 1',
    'predictions_total{model="m",status="error"} 1',
    'predictions_total{model="unknown",status="error"} 2',
    'prediction_latency_seconds_bucket{le="0.05",model="m"} 1',
    'prediction_latency_seconds_sum{model="m"} 0.05',
  ]);
});

test("arrowengine's requests are the calls at the edge, by HTTP status", async () => {
  const { metrics, intercept, linesOf } = open();
  const call = (name: string, protocol: "http" | "grpc" | "connect" | "local", fault?: Fault) => {
    const error = fault && new MeshError(fault, "refused");
    const role = protocol === "local" ? "inference" : "gateway";
    intercept({ role, name, protocol }, callContext())?.end?.(error);
  };
  call("POST /embed", "http");
  call("POST /embed", "http", "invalid");
  // Two faults of one status.
  call("POST /embed", "http", "limited");
  call("POST /embed", "http", "overloaded");
  call("a.v1.B/Embed", "grpc");
  call("a.v1.B/Embed", "connect");
  call("a.v1.C/Run", "local");
  metrics.work.answered(answered());
  metrics.work.answered(answered({ context: fromRoute("a.v1.B/Embed") }));
  const lines = await linesOf();
  requireLines(lines, [
    'arrowengine_request_total{method="POST",endpoint="/embed",status="200"} 1',
    'arrowengine_request_total{method="POST",endpoint="/embed",status="422"} 1',
    'arrowengine_request_total{method="POST",endpoint="/embed",status="429"} 2',
    'arrowengine_request_total{method="POST",endpoint="/a.v1.B/Embed",status="200"} 2',
    'arrowengine_inference_latency_seconds_count{endpoint="/embed"} 1',
    'arrowengine_inference_latency_seconds_sum{endpoint="/a.v1.B/Embed"} 0.05',
  ]);
  equal([...lines].filter((line) => line.startsWith("arrowengine_request_total{")).length, 4);
});

test("names of other servers can be turned off", async () => {
  const { metrics, linesOf } = open(false);
  metrics.work.answered(answered());
  const foreign = [...(await linesOf())].filter((line) =>
    /^(te_|prediction|arrowengine)/.test(line),
  );
  deepEqual(foreign, []);
});

test("memory of vectors, refusals and decisions without shared counters are counted", async () => {
  const { metrics, linesOf } = open();
  metrics.cache.hit(2);
  metrics.cache.missed(3);
  metrics.cache.coalesced(1);
  metrics.shed(4);
  metrics.degraded();
  metrics.observe({ cacheBytes: () => 10, inputs: () => 5 });
  const lines = await linesOf();
  for (const line of [
    "cache_hits_total 2",
    "cache_misses_total 3",
    "cache_coalesced_total 1",
    "shed_total 4",
    "degraded_total 1",
    "cache_bytes 10",
    "inputs 5",
  ]) {
    ok(lines.has(`arrowmesh_gateway_${line}`), line);
  }
});
