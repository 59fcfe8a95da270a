import { equal } from "node:assert/strict";
import { type Context, ROOT_CONTEXT, trace } from "@opentelemetry/api";
import type { Clock } from "../clock.js";
import { LocalTrace, type TraceDeps, type TraceStart } from "./local-trace.js";
import type { RecordedSpan } from "./recorded-span.js";

/** For tests: traces with ids that count up, and what of them went out. */
export function fakeTracing(clock: Clock, over: Partial<TraceDeps> = {}) {
  const exported: RecordedSpan[] = [];
  let ids = 0;
  const nextId = (digits: number): string => {
    ids += 1;
    return ids.toString(16).padStart(digits, "0");
  };
  const deps: TraceDeps = {
    nowMs: () => clock.nowMs(),
    newTraceId: () => nextId(32),
    newSpanId: () => nextId(16),
    slowMs: 1_000,
    mayKeepUnsampled: () => true,
    export(spans) {
      for (const span of spans) requireOnce(span);
      exported.push(...spans);
    },
    ...over,
  };
  const origin: Context = ROOT_CONTEXT;
  return {
    exported,
    /** A request's trace; sampled unless the test says otherwise. */
    begin: (start: Partial<TraceStart> = {}): LocalTrace =>
      new LocalTrace(
        {
          traceId: deps.newTraceId(),
          isSampled: true,
          ...{ origin, isCallerInMesh: false, role: "gateway" },
          caller: trace.getSpanContext(start.origin ?? origin),
          ...start,
        },
        deps,
      ),
  };
}

/** Spans must not be told of an attribute twice: exporters would send it twice. */
function requireOnce(span: RecordedSpan): void {
  const names: string[] = [];
  span.tellAttributes({
    attribute: (name) => void names.push(name),
    facts: (facts) => void names.push(...Object.keys(facts)),
  });
  equal(new Set(names).size, names.length, `${span.name} has an attribute twice: ${names}`);
}
