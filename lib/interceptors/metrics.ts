import type { Registry } from "prom-client";
import type { Clock } from "../clock.js";
import { LightHistogram, type Series } from "../light-histogram.js";
import type { CallInfo, Interceptor } from "./interceptor.js";

/** Counts and times every call by role, method and outcome: a bounded set of labels. */
export function measureCalls(registry: Registry, clock: Clock): Interceptor {
  const duration = new LightHistogram({
    name: "arrowmesh_call_duration_seconds",
    help: "Time from the first byte of a call to its answer, in seconds.",
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registry,
  });
  const known = new Map<string, Series>();
  const seriesOf = ({ role, name: method, protocol }: CallInfo, status: string): Series => {
    const key = `${status} ${protocol} ${role} ${method}`;
    const series = known.get(key) ?? duration.series({ role, method, protocol, status });
    known.set(key, series);
    return series;
  };
  return (info, _context) => {
    const beganAtMs = clock.nowMs();
    return {
      end(error) {
        seriesOf(info, error?.fault ?? "ok").observe((clock.nowMs() - beganAtMs) / 1000);
      },
    };
  };
}
