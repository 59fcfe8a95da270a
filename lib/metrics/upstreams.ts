import type { Registry } from "prom-client";
import type { Clock } from "../clock.js";
import type { MeshError } from "../errors.js";
import { LightHistogram, type Series } from "../light-histogram.js";
import { registerMetric } from "./register.js";

/** Tells that a call to an upstream has begun; the returned function tells its end. */
export type MeasureCall = () => (error: MeshError | undefined, exemplarId?: string) => void;

/** What watches the calls to one upstream. */
export interface UpstreamCalls {
  /** `method` becomes a label: a name of a contract, never one of a request. */
  ofMethod(method: string): MeasureCall;
}

/** What answers outside this process, by name: its readiness and every call. `observe` is all that a new one needs. */
export class Upstreams {
  readonly #clock: Clock;
  readonly #duration: LightHistogram;
  readonly #readiness = new Map<string, () => Promise<boolean>>();

  constructor(registry: Registry, clock: Clock) {
    this.#clock = clock;
    this.#duration = new LightHistogram({
      name: "arrowmesh_upstream_call_duration_seconds",
      help: "Time of a call to another process, its retries included, in seconds.",
      buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      ...{ registry, clock },
    });
    registerMetric(registry, {
      name: "arrowmesh_upstream_ready",
      help: "1 if an upstream says, when asked now, that it can answer.",
      type: "gauge",
      read: () =>
        Promise.all(
          [...this.#readiness].map(async ([upstream, isReady]) => ({
            labels: { upstream },
            value: (await isReady()) ? 1 : 0,
          })),
        ),
    });
  }

  /** `isReady` is asked with each scrape; it never throws and has a deadline of its own. */
  observe(upstream: string, isReady: () => Promise<boolean>): UpstreamCalls {
    this.#readiness.set(upstream, isReady);
    return {
      ofMethod: (method) => {
        const series = new Map<string, Series>();
        const seriesOf = (status: string): Series => {
          const known = series.get(status);
          if (known !== undefined) return known;
          const added = this.#duration.series({ upstream, method, status });
          series.set(status, added);
          return added;
        };
        return () => {
          const beganAtMs = this.#clock.nowMs();
          return (error, exemplarId) => {
            const tookMs = this.#clock.nowMs() - beganAtMs;
            seriesOf(error?.fault ?? "ok").observe(tookMs / 1_000, exemplarId);
          };
        };
      },
    };
  }
}
