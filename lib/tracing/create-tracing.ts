import { type Context, ROOT_CONTEXT, type TextMapPropagator, trace } from "@opentelemetry/api";
import type { IdGenerator, Sampler } from "@opentelemetry/sdk-trace";
import type { Clock } from "../clock.js";
import { LocalTrace, type TraceDeps } from "./local-trace.js";
import type { RecordedSpan } from "./recorded-span.js";
import type { Tracing } from "./tracing.js";

export interface TracingOptions {
  readonly clock: Clock;
  readonly ids: IdGenerator;
  /** Reads what came along with a request. */
  readonly propagator: TextMapPropagator;
  /** Decides at the beginning of a request, and by its caller's decision where there is one. */
  readonly sampler: Sampler;
  readonly slowMs: number;
  readonly mayKeepUnsampled: () => boolean;
  readonly export: (spans: readonly RecordedSpan[]) => void;
}

/** Traces requests: each is recorded, and what becomes of the record is decided when it ends. */
export function createTracing(options: TracingOptions): Tracing {
  const { clock, ids, propagator, sampler } = options;
  const deps: TraceDeps = {
    nowMs: () => clock.nowMs(),
    newTraceId: () => ids.generateTraceId(),
    newSpanId: () => ids.generateSpanId(),
    slowMs: options.slowMs,
    mayKeepUnsampled: options.mayKeepUnsampled,
    export: options.export,
  };
  return {
    enter({ carrier, getter, role, isCallerInMesh }) {
      const origin = propagator.extract(ROOT_CONTEXT, carrier, getter);
      const caller = origin === ROOT_CONTEXT ? undefined : trace.getSpanContext(origin);
      const traceId = caller?.traceId ?? ids.generateTraceId();
      const isSampled = samples(sampler, origin, traceId);
      const start = { traceId, isSampled, origin, caller, isCallerInMesh, role };
      return new LocalTrace(start, deps);
    },
  };
}

const noAttributes = {};
const noLinks: never[] = [];

/** `SamplingDecision.RECORD_AND_SAMPLED`, whose enumeration only the SDK has. */
const recordAndSampled = 2;

/** Names and attributes are not known yet; the standard samplers go by the parent and the trace's id. */
function samples(sampler: Sampler, origin: Context, traceId: string): boolean {
  const { decision } = sampler.shouldSample(origin, traceId, "", 1, noAttributes, noLinks);
  return Number(decision) === recordAndSampled;
}
