import type { Registry } from "prom-client";
import type { Clock } from "../clock.js";
import { getOrAdd, newMap } from "../get-or-add.js";
import { LightHistogram, type Series } from "../light-histogram.js";
import type { CallInfo, Interceptor } from "./interceptor.js";

/** Counts and times every call by role, method and outcome: a bounded set of labels. */
export function measureCalls(registry: Registry, clock: Clock): Interceptor {
  const duration = new LightHistogram({
    name: "arrowmesh_call_duration_seconds",
    help: "Time from the first byte of a call to its answer, in seconds.",
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ...{ registry, clock },
  });
  // By name, role, protocol and status, one after another: joining them into one key takes longer than all the rest.
  const known = new Map<string, Map<string, Map<string, Map<string, Series>>>>();
  const seriesOf = ({ role, name: method, protocol }: CallInfo, status: string): Series => {
    const byRole = getOrAdd(known, method, newMap);
    const byProtocol = getOrAdd(byRole, role, newMap);
    const byStatus = getOrAdd(byProtocol, protocol, newMap);
    return getOrAdd(byStatus, status, () => duration.series({ role, method, protocol, status }));
  };
  return (info, { trace }) => {
    const beganAtMs = clock.nowMs();
    return {
      end(error) {
        const endMs = clock.nowMs();
        const exemplarId = trace.exemplarId(error, endMs);
        seriesOf(info, error?.fault ?? "ok").observe((endMs - beganAtMs) / 1_000, exemplarId);
      },
    };
  };
}
