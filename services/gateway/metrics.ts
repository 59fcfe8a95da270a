import type { Registry } from "prom-client";
import type { Clock } from "../../lib/clock.js";
import { registerNumber } from "../../lib/metrics/register.js";
import { createCompatibleMetrics } from "./compatible-metrics.js";
import type { WorkCounts } from "./operations/work-counts.js";
import { createTeiMetrics } from "./tei/metrics.js";
import type { CacheCounts } from "./vector-cache.js";
import { createWorkMetrics } from "./work-metrics.js";

export interface GatewayMetrics {
  readonly cache: CacheCounts;
  readonly work: WorkCounts;
  shed(inputs: number): void;
  /** A call was decided without the shared counters of limits. */
  degraded(): void;
  /** Lets the gauges read what they show when they are scraped. */
  observe(read: { readonly cacheBytes: () => number; readonly inputs: () => number }): void;
}

/** Counted in plain numbers, which are looked at when metrics are scraped. */
export function createGatewayMetrics(platform: {
  readonly registry: Registry;
  readonly clock: Clock;
  /** Whether the names of other servers are served too. */
  readonly areCompatibleMetricsServed: boolean;
}): GatewayMetrics {
  const { registry, areCompatibleMetricsServed } = platform;
  const counts = { hits: 0, misses: 0, coalesced: 0, shed: 0, degraded: 0 };
  const register = (
    type: "counter" | "gauge",
    name: string,
    help: string,
    read: () => number,
  ): void => registerNumber(registry, { name: `arrowmesh_gateway_${name}`, help, type, read });
  for (const [key, name, help] of totals) register("counter", name, help, () => counts[key]);
  return {
    cache: {
      hit: (sequences) => {
        counts.hits += sequences;
      },
      missed: (sequences) => {
        counts.misses += sequences;
      },
      coalesced: (sequences) => {
        counts.coalesced += sequences;
      },
    },
    work: toAll([
      createWorkMetrics(platform),
      ...(areCompatibleMetricsServed
        ? [createCompatibleMetrics(platform), createTeiMetrics(platform)]
        : []),
    ]),
    shed: (inputs) => {
      counts.shed += inputs;
    },
    degraded: () => {
      counts.degraded += 1;
    },
    observe({ cacheBytes, inputs }) {
      register("gauge", "cache_bytes", "Bytes of remembered vectors and their keys.", cacheBytes);
      register("gauge", "inputs", "Inputs in work.", inputs);
    },
  };
}

const totals = [
  ["hits", "cache_hits_total", "Vectors that were remembered."],
  ["misses", "cache_misses_total", "Vectors that had to be computed."],
  [
    "coalesced",
    "cache_coalesced_total",
    "Vectors that another request was having computed already.",
  ],
  ["shed", "shed_total", "Inputs refused because too many were in work."],
  ["degraded", "degraded_total", "Calls decided without the shared counters of limits."],
] as const;

function toAll(listeners: readonly WorkCounts[]): WorkCounts {
  return {
    answered(work) {
      for (const listener of listeners) listener.answered(work);
    },
    failed(work) {
      for (const listener of listeners) listener.failed(work);
    },
  };
}
