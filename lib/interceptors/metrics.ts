import type { Registry } from "prom-client";
import type { Clock } from "../clock.js";
import { getOrAdd } from "../get-or-add.js";
import { LightHistogram, type Series } from "../light-histogram.js";
import type { CallInfo } from "./interceptor.js";
import type { CallObserver } from "./observe.js";

/** Counts and times every call by role, method and outcome: a bounded set of labels. */
export function measureCalls(registry: Registry, clock: Clock): CallObserver {
  const duration = new LightHistogram({
    name: "arrowmesh_call_duration_seconds",
    help: "Time from the first byte of a call to its answer, in seconds.",
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ...{ registry, clock },
  });
  // By name, of which each has a few: a map for each label would take longer than all the rest.
  const known = new Map<string, KnownSeries[]>();
  const seriesOf = ({ role, name: method, protocol }: CallInfo, status: string): Series => {
    const ofName = getOrAdd(known, method, newList);
    for (const one of ofName) {
      if (one.status === status && one.role === role && one.protocol === protocol) {
        return one.series;
      }
    }
    const series = duration.series({ role, method, protocol, status });
    ofName.push({ role, protocol, status, series });
    return series;
  };
  return ({ info, context, error, beganAtMs, endMs }) => {
    const exemplarId = context.trace.exemplarId(error, endMs);
    seriesOf(info, error?.fault ?? "ok").observe((endMs - beganAtMs) / 1_000, exemplarId);
  };
}

interface KnownSeries extends Pick<CallInfo, "role" | "protocol"> {
  readonly status: string;
  readonly series: Series;
}

const newList = (): KnownSeries[] => [];
