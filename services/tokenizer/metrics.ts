import type { Registry } from "prom-client";
import { registerNumber } from "../../lib/metrics/register.js";
import type { EncodingCounts } from "./encoding-cache.js";

export interface TokenizerMetrics {
  readonly cache: EncodingCounts;
  /** Lets the gauge read what it shows when it is scraped. */
  observe(read: { readonly cacheBytes: () => number }): void;
}

/** Counted in plain numbers, which are looked at when metrics are scraped. */
export function createTokenizerMetrics(registry: Registry): TokenizerMetrics {
  const counts = { hits: 0, misses: 0 };
  const register = (
    type: "counter" | "gauge",
    name: string,
    help: string,
    read: () => number,
  ): void => registerNumber(registry, { name: `arrowmesh_tokenizer_${name}`, help, type, read });
  const hitsHelp = "Encodings that were remembered.";
  register("counter", "cache_hits_total", hitsHelp, () => counts.hits);
  const missesHelp = "Encodings that the library had to make.";
  register("counter", "cache_misses_total", missesHelp, () => counts.misses);
  return {
    cache: {
      hit: () => {
        counts.hits += 1;
      },
      missed: () => {
        counts.misses += 1;
      },
    },
    observe({ cacheBytes }) {
      const help = "Bytes of remembered encodings and their texts.";
      register("gauge", "cache_bytes", help, cacheBytes);
    },
  };
}
