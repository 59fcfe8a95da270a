import { randomUUID } from "node:crypto";
import { performance } from "node:perf_hooks";
import { create } from "@bufbuild/protobuf";
import type { Registry } from "prom-client";
import {
  BreakerState,
  type CallStatus,
  CallStatusSchema,
  type ProcessStatus,
  ProcessStatusSchema,
} from "../../gen/arrowmesh/status/v1/status_pb.js";
import type { Clock } from "../../lib/clock.js";
import { answerOf, type Fault } from "../../lib/errors.js";
import { readLimits } from "./read-limits.js";
import { readModels } from "./read-models.js";
import { readHistograms, readNumber, readSeries } from "./registry-reader.js";

/** Reads what this process says of itself, off the metrics that it has anyway. */
export function createReadProcess(of: {
  readonly roles: readonly string[];
  readonly version: string;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly isReady: () => Promise<boolean>;
}): () => Promise<ProcessStatus> {
  const { roles, version, registry, clock } = of;
  const instanceId = randomUUID();
  return async () =>
    create(ProcessStatusSchema, {
      instanceId,
      roles: [...roles],
      answering: true,
      ready: await of.isReady(),
      version,
      resources: await readResources(registry),
      calls: await readCalls(registry),
      gateway: await readGateway(registry),
      models: await readModels(registry),
      limits: await readLimits(registry),
      breakers: await readBreakers(registry),
      // Last, because the totals above belong to this moment.
      uptimeMs: clock.nowMs(),
    });
}

/** Asked of Node itself: what prom-client has of the event loop is as old as the latest scrape. */
async function readResources(registry: Registry) {
  const { user, system } = process.cpuUsage();
  const connections = await readNumber(registry, "arrowmesh_active_connections");
  return {
    residentBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
    eventLoopBusySeconds: performance.eventLoopUtilization().active / 1_000,
    ...(connections !== undefined && { connections }),
  };
}

async function readCalls(registry: Registry): Promise<CallStatus[]> {
  const series = await readHistograms(registry, "arrowmesh_call_duration_seconds");
  return series
    .map(({ labels, value }) => {
      const outcome = String(labels.status);
      return create(CallStatusSchema, {
        role: String(labels.role),
        method: String(labels.method),
        protocol: String(labels.protocol),
        outcome,
        // The label is a fault's name, or `ok`.
        httpStatus: outcome === "ok" ? 200 : answerOf[outcome as Fault].httpStatus,
        seconds: value,
      });
    })
    .filter(({ method }) => !watching.test(method));
}

/** Whoever watches must not see himself. */
const watching =
  /^((GET|HEAD) \/(|ping|status|docs|proto|openapi\.json|api-doc|v2\/health)($|\/)|arrowmesh\.status\.)/;

async function readGateway(registry: Registry) {
  const number = (name: string) => readNumber(registry, `arrowmesh_gateway_${name}`);
  const inputs = await number("inputs");
  if (inputs === undefined) return undefined;
  return {
    inputs,
    shed: (await number("shed_total")) ?? 0,
    cacheHits: (await number("cache_hits_total")) ?? 0,
    cacheMisses: (await number("cache_misses_total")) ?? 0,
    cacheCoalesced: (await number("cache_coalesced_total")) ?? 0,
    cacheBytes: (await number("cache_bytes")) ?? 0,
  };
}

async function readBreakers(registry: Registry) {
  const failures = await readSeries(registry, "arrowmesh_breaker_failures_total");
  const states = await readSeries(registry, "arrowmesh_breaker_state");
  return states.map(({ labels, value }) => ({
    name: String(labels.breaker),
    state: breakerStates[value] ?? BreakerState.UNSPECIFIED,
    failures: failures.find((other) => other.labels.breaker === labels.breaker)?.value ?? 0,
  }));
}

/** By the number that the metric has for them. */
const breakerStates = [BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN];
