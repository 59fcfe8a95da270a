import { Histogram, type Registry } from "prom-client";
import type { Clock } from "../clock.js";
import type { Interceptor } from "./interceptor.js";

/** Counts and times every call by role, method and outcome: a bounded set of labels. */
export function measureCalls(registry: Registry, clock: Clock): Interceptor {
  const duration = new Histogram({
    name: "arrowmesh_call_duration_seconds",
    help: "Time from the first byte of a call to its answer, in seconds.",
    labelNames: ["role", "method", "protocol", "status"],
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [registry],
  });
  return (info, _context) => {
    const beganAtMs = clock.nowMs();
    return {
      end(error) {
        const labels = {
          role: info.role,
          method: info.name,
          protocol: info.protocol,
          status: error?.fault ?? "ok",
        };
        duration.observe(labels, (clock.nowMs() - beganAtMs) / 1000);
      },
    };
  };
}
