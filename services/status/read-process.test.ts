import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { Counter, Gauge, Histogram, Registry } from "prom-client";
import { BreakerState } from "../../gen/arrowmesh/status/v1/status_pb.js";
import { FakeClock } from "../../lib/fake-clock.js";
import { createReadProcess } from "./read-process.js";

function open(over: Partial<Parameters<typeof createReadProcess>[0]> = {}) {
  const registry = new Registry();
  const clock = new FakeClock();
  const read = createReadProcess({
    roles: ["gateway"],
    version: "1.2.3",
    registry,
    clock,
    isReady: async () => true,
    ...over,
  });
  const registers = [registry];
  const gauge = (name: string, labels: Readonly<Record<string, string>>, value: number) => {
    const known = registry.getSingleMetric(name) as Gauge | undefined;
    const labelNames = Object.keys(labels);
    (known ?? new Gauge({ name, help: name, labelNames, registers })).set(labels, value);
  };
  return { read, registry, registers, clock, gauge };
}

test("a process that has done nothing yet says so", async () => {
  const { read, clock } = open({ isReady: async () => false });
  await clock.moveTo(1_500);
  const status = await read();
  deepEqual(
    [status.roles, status.version, status.ready, status.answering, status.uptimeMs],
    [["gateway"], "1.2.3", false, true, 1_500],
  );
  deepEqual([status.calls, status.models, status.limits, status.breakers], [[], [], [], []]);
  equal(status.gateway, undefined);
  const { residentBytes = 0, cpuSeconds = 0, eventLoopBusySeconds = 0 } = status.resources ?? {};
  ok(residentBytes > 1e6 && cpuSeconds > 0 && eventLoopBusySeconds > 0);
  equal(status.resources?.connections, undefined);
});

test("each run of a process has a name of its own, and keeps it", async () => {
  const [first, second] = [open(), open()];
  const id = (await first.read()).instanceId;
  equal((await first.read()).instanceId, id);
  notEqual((await second.read()).instanceId, id);
});

test("calls are told with each bucket by itself, and those who watch are left out", async () => {
  const { read, registers } = open();
  const calls = new Histogram({
    name: "arrowmesh_call_duration_seconds",
    help: "calls",
    labelNames: ["role", "method", "protocol", "status"],
    buckets: [0.1, 1],
    registers,
  });
  const observe = (method: string, status: string, seconds: number) =>
    calls.observe({ role: "gateway", method, protocol: "http", status }, seconds);
  observe("POST /embed", "ok", 0.05);
  observe("POST /embed", "ok", 0.5);
  observe("POST /embed", "ok", 0.6);
  observe("POST /embed", "ok", 7);
  observe("POST /embed", "limited", 0.01);
  observe("POST /", "ok", 0.01);
  for (const method of ["GET /status", "GET /status/page/:file", "GET /docs/*", "GET /"]) {
    observe(method, "ok", 0.01);
  }
  observe("arrowmesh.status.v1.StatusService/GetStatus", "ok", 0.01);
  const { calls: told } = await read();
  deepEqual(
    told.map(({ method, outcome, httpStatus }) => [method, outcome, httpStatus]),
    [
      ["POST /embed", "ok", 200],
      ["POST /embed", "limited", 429],
      ["POST /", "ok", 200],
    ],
  );
  const { bounds, counts, sum } = told[0]?.seconds ?? {};
  deepEqual([bounds, counts, sum], [[0.1, 1], [1, 2, 1], 8.15]);
});

test("a model is told with what it counts, and with nothing where it has counted nothing", async () => {
  const { read, registers, gauge } = open();
  gauge("arrowmesh_inference_model_healthy", { model: "a" }, 1);
  gauge("arrowmesh_inference_model_healthy", { model: "b" }, 0);
  gauge("arrowmesh_inference_queue_length", { model: "a" }, 7);
  new Counter({
    name: "arrowmesh_inference_tokens_total",
    help: "tokens",
    labelNames: ["model"],
    registers,
  }).inc({ model: "a" }, 30);
  const [a, b] = (await read()).models;
  deepEqual([a?.name, a?.healthy, a?.queueLength, a?.tokens], ["a", true, 7, 30]);
  deepEqual([b?.name, b?.healthy, b?.queueLength, b?.tokens], ["b", false, 0, 0]);
  deepEqual(b?.computeSeconds?.counts, []);
});

test("limits are told by name, whatever their outcomes", async () => {
  const { read, gauge } = open();
  const decisions = "arrowmesh_ratelimit_limit_decisions_total";
  gauge(decisions, { limit: "ip", outcome: "allowed" }, 5);
  gauge(decisions, { limit: "ip", outcome: "refused" }, 2);
  gauge(decisions, { limit: "try", outcome: "shadow_refused" }, 1);
  const degraded = "arrowmesh_ratelimit_degraded_decisions_total";
  gauge(degraded, { limit: "ip", on_store_failure: "allow" }, 3);
  gauge(degraded, { limit: "ip", on_store_failure: "degrade" }, 4);
  deepEqual(
    (await read()).limits.map(({ $typeName, ...limit }) => limit),
    [
      { name: "ip", allowed: 5, refused: 2, shadowAllowed: 0, shadowRefused: 0, degraded: 7 },
      { name: "try", allowed: 0, refused: 0, shadowAllowed: 0, shadowRefused: 1, degraded: 0 },
    ],
  );
});

test("breakers, resources and the gateway's own numbers are told where they are measured", async () => {
  const { read, gauge } = open();
  gauge("arrowmesh_breaker_state", { breaker: "redis" }, 2);
  gauge("arrowmesh_breaker_state", { breaker: "other" }, 1);
  gauge("arrowmesh_breaker_failures_total", { breaker: "redis" }, 9);
  gauge("arrowmesh_active_connections", {}, 12);
  gauge("arrowmesh_gateway_inputs", {}, 3);
  gauge("arrowmesh_gateway_cache_hits_total", {}, 4);
  const { breakers, resources, gateway } = await read();
  deepEqual(
    breakers.map(({ name, state, failures }) => [name, state, failures]),
    [
      ["redis", BreakerState.OPEN, 9],
      ["other", BreakerState.HALF_OPEN, 0],
    ],
  );
  equal(resources?.connections, 12);
  deepEqual([gateway?.inputs, gateway?.cacheHits, gateway?.cacheMisses], [3, 4, 0]);
});
