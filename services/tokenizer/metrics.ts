import { Counter, Gauge, type Registry } from "prom-client";
import type { EncodingCounts } from "./encoding-cache.js";

export interface TokenizerMetrics {
  readonly cache: EncodingCounts;
  /** Lets the gauge read what it shows when it is scraped. */
  observe(read: { readonly cacheBytes: () => number }): void;
}

export function createTokenizerMetrics(registry: Registry): TokenizerMetrics {
  const registers = [registry];
  const counter = (name: string, help: string) =>
    new Counter({ name: `arrowmesh_tokenizer_${name}`, help, registers });
  const hits = counter("cache_hits_total", "Encodings that were remembered.");
  const misses = counter("cache_misses_total", "Encodings that the library had to make.");
  return {
    cache: { hit: () => hits.inc(), missed: () => misses.inc() },
    observe({ cacheBytes }) {
      new Gauge({
        name: "arrowmesh_tokenizer_cache_bytes",
        help: "Bytes of remembered encodings and their texts.",
        registers,
        collect() {
          this.set(cacheBytes());
        },
      });
    },
  };
}
