import { Counter, type Registry } from "prom-client";
import type { Limit } from "./limit.js";

/** What envoyproxy/ratelimit counts of each limit, in hits. */
export interface HitCounts {
  total_hits: number;
  within_limit: number;
  near_limit: number;
  over_limit: number;
  shadow_mode: number;
  total_negative_hits: number;
}

const helps: Readonly<Record<keyof HitCounts, string>> = {
  total_hits: "Hits that were asked for.",
  within_limit: "Hits within the limit.",
  near_limit: "Hits within the limit and near its end.",
  over_limit: "Hits over the limit.",
  shadow_mode: "Hits over the limit that passed because of its shadow mode.",
  total_negative_hits: "Hits that were to be given back.",
};
const otherPath = ["other"];
/** Of files too, which can name other limits with each version. */
const seriesInAllMax = 100_000;

/** The counts by path. They are plain numbers, which become metrics when someone asks for them. */
export class HitCountsByPath {
  readonly #byLimit = new WeakMap<Limit, HitCounts>();
  readonly #bySeries = new Map<string, { readonly labels: Labels; readonly counts: HitCounts }>();
  readonly #seriesMax: number;
  /** Series of paths that requests have made. */
  #seriesMade = 0;

  constructor(seriesMax: number, registry: Registry) {
    this.#seriesMax = seriesMax;
    for (const name of Object.keys(helps) as (keyof HitCounts)[]) this.#register(name, registry);
  }

  /** Of a limit by its own path, which files bound. */
  ofLimit(domain: string, limit: Limit): HitCounts {
    const known = this.#byLimit.get(limit);
    if (known !== undefined) return known;
    const isFull = this.#bySeries.size >= seriesInAllMax;
    const counts = this.#at(labelsOf(domain, isFull ? otherPath : limit.path));
    this.#byLimit.set(limit, counts);
    return counts;
  }

  /** Of a path that a request has made; those beyond the bound are one, which is called `other`. */
  ofPath(domain: string, path: readonly string[]): HitCounts {
    const labels = labelsOf(domain, path);
    if (this.#bySeries.has(keyOf(labels))) return this.#at(labels);
    if (this.#seriesMade >= this.#seriesMax) return this.#at(labelsOf(domain, otherPath));
    this.#seriesMade += 1;
    return this.#at(labels);
  }

  #at(labels: Labels): HitCounts {
    const key = keyOf(labels);
    const known = this.#bySeries.get(key);
    if (known !== undefined) return known.counts;
    const counts: HitCounts = {
      total_hits: 0,
      within_limit: 0,
      near_limit: 0,
      over_limit: 0,
      shadow_mode: 0,
      total_negative_hits: 0,
    };
    this.#bySeries.set(key, { labels, counts });
    return counts;
  }

  #register(name: keyof HitCounts, registry: Registry): void {
    const series = this.#bySeries;
    new Counter({
      name: `ratelimit_service_rate_limit_${name}`,
      help: helps[name],
      labelNames: ["domain", "key1", "key2"],
      registers: [registry],
      collect() {
        this.reset();
        for (const { labels, counts } of series.values()) this.inc({ ...labels }, counts[name]);
      },
    });
  }
}

interface Labels {
  readonly domain: string;
  readonly key1: string;
  readonly key2: string;
}

/** As envoyproxy/ratelimit's default mapping for Prometheus: two steps of the path. */
function labelsOf(domain: string, [key1 = "", key2 = ""]: readonly string[]): Labels {
  return { domain: clean(domain), key1: clean(key1), key2: clean(key2) };
}

function keyOf({ domain, key1, key2 }: Labels): string {
  return JSON.stringify([domain, key1, key2]);
}

const labelLengthMax = 200;

/** As envoyproxy/ratelimit cleans its names: no `:` and `|`, and no dots in IPv4 addresses. */
function clean(name: string): string {
  return name
    .slice(0, labelLengthMax)
    .replace(/[:|]/g, "_")
    .replace(/\d{1,3}(?:\.\d{1,3}){3}/g, (address) => address.replaceAll(".", "_"));
}
