import { Counter, type Registry } from "prom-client";
import { MeshError } from "../../../lib/errors.js";
import { registerNumbers } from "../../../lib/metrics/register.js";
import type { WatchedFiles } from "../files/watched-files.js";
import { HitCountsByPath } from "./hit-counts.js";

/** Counts under the names that envoyproxy/ratelimit's default mapping gives them in Prometheus. */
export interface EnvoyCounts {
  readonly hits: HitCountsByPath;
  request(): void;
  failure(thrown: unknown): void;
  globalShadow(): void;
  unknownDomain(): void;
  /** From now on, also how often files were read. */
  observe(files: Pick<WatchedFiles<unknown>, "reloads">): void;
}

export function createEnvoyMetrics(registry: Registry, seriesMax: number): EnvoyCounts {
  const counter = <const L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter({ name: `ratelimit_service_${name}`, help, labelNames, registers: [registry] });
  const requests = { ShouldRateLimit: 0 };
  registerNumbers(registry, {
    name: "ratelimit_service_total_requests",
    help: "Calls.",
    type: "counter",
    label: "grpc_method",
    read: () => requests,
  });
  const errors = counter("should_rate_limit_error", "Calls that failed.", "err_type");
  const shadowed = counter("global_shadow_mode", "Requests that passed because all of them do.");
  const unknown = counter("rate_limit_domain_not_found", "Requests for domains without a file.");
  return {
    hits: new HitCountsByPath(seriesMax, registry),
    request: () => {
      requests.ShouldRateLimit += 1;
    },
    failure(thrown) {
      const isCallers = thrown instanceof MeshError && thrown.fault === "invalid";
      errors.inc({ err_type: isCallers ? "service_error" : "redis_error" });
    },
    globalShadow: () => shadowed.inc(),
    unknownDomain: () => unknown.inc(),
    observe(files) {
      const loads = {
        config_load_success: () => 1 + files.reloads.accepted,
        config_load_error: () => files.reloads.refused,
      };
      for (const [name, count] of Object.entries(loads)) {
        new Counter({
          name: `ratelimit_service_${name}`,
          help: "Versions of the files since the start, by whether they took over.",
          registers: [registry],
          collect() {
            this.reset();
            this.inc(count());
          },
        });
      }
    },
  };
}
