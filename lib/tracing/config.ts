import { z } from "zod";
import { type ConfigOf, flag, integer, list, oneOf, text } from "../config.js";

const samplers = [
  "parentbased_traceidratio",
  "parentbased_always_on",
  "parentbased_always_off",
  "traceidratio",
  "always_on",
  "always_off",
] as const;

/**
 * How a process traces, whatever its role. Names that begin with OTEL_ are OpenTelemetry's own; exporters read more of
 * them by themselves.
 */
export const tracingSchema = {
  isDisabled: {
    env: "OTEL_SDK_DISABLED",
    doc: "turns tracing off, whatever else is set",
    parse: flag(),
    fallback: false,
  },
  exporters: {
    env: "OTEL_TRACES_EXPORTER",
    doc: "where traces go: `otlp`, `jaeger`, `console`, several with commas, or `none`; unset: wherever an endpoint is set",
    parse: listOf(["otlp", "jaeger", "console", "none"]),
    fallback: undefined,
  },
  sampler: {
    env: "OTEL_TRACES_SAMPLER",
    doc: "which requests are traced: `always_on`, `always_off` (no tracing at all) or `traceidratio`; behind `parentbased_` only where the caller has not decided; unset: `parentbased_traceidratio`",
    parse: oneOf(samplers),
    fallback: undefined,
  },
  samplerRatio: {
    env: "OTEL_TRACES_SAMPLER_ARG",
    doc: "share of requests that `traceidratio` traces; unset: 1 if `OTEL_TRACES_SAMPLER` is set, else 0.01",
    parse: ratio(),
    fallback: undefined,
  },
  slowMs: {
    env: "TRACE_SLOW_MS",
    doc: "from so many milliseconds on the trace of a request is kept though it was not sampled; 0: slowness keeps none",
    parse: integer({ min: 0, max: 3_600_000 }),
    fallback: 1_000,
  },
  unsampledPerSecondMax: {
    env: "TRACE_UNSAMPLED_PER_SECOND_MAX",
    doc: "failed or slow requests a second whose traces are kept though they were not sampled",
    parse: integer({ min: 0, max: 1_000_000 }),
    fallback: 100,
  },
  propagators: {
    env: "OTEL_PROPAGATORS",
    doc: "how traces come in and go out: `tracecontext`, `baggage`, `jaeger`, `b3`, `b3multi`, or `none`; the first that brings a trace counts",
    parse: listOf(["tracecontext", "baggage", "jaeger", "b3", "b3multi", "none"]),
    fallback: ["tracecontext", "baggage", "jaeger"],
  },
  resourceDetectors: {
    env: "OTEL_NODE_RESOURCE_DETECTORS",
    doc: "what traces say of the process: `env`, `host`, `os`, `process`, `serviceinstance`, `all` or `none`",
    parse: listOf(["env", "host", "os", "process", "serviceinstance", "all", "none"]),
    fallback: ["env", "host", "process", "serviceinstance"],
  },
  otlpProtocol: {
    env: "OTEL_EXPORTER_OTLP_PROTOCOL",
    doc: "`http/protobuf`, `http/json` or `grpc`",
    parse: oneOf(["http/protobuf", "http/json", "grpc"]),
    fallback: "http/protobuf",
  },
  otlpTracesProtocol: {
    env: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    doc: "the same, before the other",
    parse: oneOf(["http/protobuf", "http/json", "grpc"]),
    fallback: undefined,
  },
  otlpEndpoint: {
    env: "OTEL_EXPORTER_OTLP_ENDPOINT",
    doc: "URL of an OTLP receiver; turns tracing on",
    parse: url(),
    fallback: undefined,
  },
  otlpTracesEndpoint: {
    env: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    doc: "the same, before the other, and with its whole path",
    parse: url(),
    fallback: undefined,
  },
  jaegerEndpoint: {
    env: "OTEL_EXPORTER_JAEGER_ENDPOINT",
    doc: "URL of Jaeger's HTTP collector, as `http://host:14268/api/traces`; turns tracing on",
    parse: url(),
    fallback: undefined,
  },
  jaegerAgentHost: {
    env: "OTEL_EXPORTER_JAEGER_AGENT_HOST",
    doc: "host of a Jaeger agent, which takes UDP on `OTEL_EXPORTER_JAEGER_AGENT_PORT` (6832); turns tracing on",
    parse: text(),
    fallback: undefined,
  },
  jaegerMsMax: {
    env: "OTEL_EXPORTER_JAEGER_TIMEOUT",
    doc: "milliseconds that Jaeger may take for an export",
    parse: integer({ min: 1, max: 600_000 }),
    fallback: 10_000,
  },
  waitMsMax: {
    env: "OTEL_BSP_SCHEDULE_DELAY",
    doc: "milliseconds that spans wait for others before they go out",
    parse: integer({ min: 0, max: 600_000 }),
    fallback: 5_000,
  },
  exportMsMax: {
    env: "OTEL_BSP_EXPORT_TIMEOUT",
    doc: "milliseconds until an export counts as failed",
    parse: integer({ min: 1, max: 600_000 }),
    fallback: 30_000,
  },
  queueSpansMax: {
    env: "OTEL_BSP_MAX_QUEUE_SIZE",
    doc: "spans that wait for an exporter; what is more is dropped and counted",
    parse: integer({ min: 1, max: 1_000_000 }),
    fallback: 8_192,
  },
  batchSpansMax: {
    env: "OTEL_BSP_MAX_EXPORT_BATCH_SIZE",
    doc: "spans that go out together; a quarter of those that may wait when unset",
    parse: integer({ min: 1, max: 100_000 }),
    fallback: undefined,
  },
} as const;

export type TracingConfig = ConfigOf<typeof tracingSchema>;

function listOf<const T extends string>(names: readonly T[]) {
  const message = `expected some of ${names.join(", ")}`;
  return list().pipe(z.array(z.enum(names as readonly [T, ...T[]], { message })));
}

function ratio() {
  const message = "expected a number from 0 to 1";
  return z
    .string()
    .regex(/^\d*\.?\d+(e-?\d+)?$/i, message)
    .transform(Number)
    .refine((value) => value >= 0 && value <= 1, message);
}

/** Its value may hold a password, which the message does not repeat. */
function url() {
  return z
    .string()
    .refine((raw) => /^https?:/i.test(raw) && URL.canParse(raw), "expected a URL of http or https");
}
