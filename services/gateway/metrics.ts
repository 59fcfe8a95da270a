import { Counter, Gauge, type Registry } from "prom-client";
import type { CacheCounts } from "./vector-cache.js";

export interface GatewayMetrics {
  readonly cache: CacheCounts;
  shed(inputs: number): void;
  /** Lets the gauges read what they show when they are scraped. */
  observe(read: { readonly cacheBytes: () => number; readonly inputs: () => number }): void;
}

export function createGatewayMetrics(registry: Registry): GatewayMetrics {
  const registers = [registry];
  const counter = (name: string, help: string) =>
    new Counter({ name: `arrowmesh_gateway_${name}`, help, registers });
  const gauge = (name: string, help: string, read: () => number) =>
    new Gauge({
      name: `arrowmesh_gateway_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  const hits = counter("cache_hits_total", "Vectors that were remembered.");
  const misses = counter("cache_misses_total", "Vectors that had to be computed.");
  const coalesced = counter(
    "cache_coalesced_total",
    "Vectors that another request was having computed already.",
  );
  const shed = counter("shed_total", "Inputs refused because too many were in work.");
  return {
    cache: {
      hit: (sequences) => hits.inc(sequences),
      missed: (sequences) => misses.inc(sequences),
      coalesced: (sequences) => coalesced.inc(sequences),
    },
    shed: (inputs) => shed.inc(inputs),
    observe({ cacheBytes, inputs }) {
      gauge("cache_bytes", "Bytes of remembered vectors and their keys.", cacheBytes);
      gauge("inputs", "Inputs in work.", inputs);
    },
  };
}
