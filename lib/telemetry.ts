import type { Release } from "./defer.js";
import type { Log } from "./log.js";

/** Share of requests that are traced when OTEL_TRACES_SAMPLER does not say otherwise. */
const defaultRatio = 0.01;

/**
 * Starts OpenTelemetry when the standard OTEL_* variables ask for it: OTEL_TRACES_EXPORTER (`otlp`, `jaeger`,
 * `console`, comma-separated) or an OTLP endpoint. Otherwise the API stays a no-op and nothing is loaded.
 */
export async function startTelemetry(options: {
  readonly env: NodeJS.ProcessEnv;
  readonly serviceName: string;
  readonly log: Log;
  readonly defer: (release: Release) => void;
}): Promise<void> {
  const { env } = options;
  const kinds = exporterKinds(env);
  if (kinds.length === 0) return;
  const sdk = await import("@opentelemetry/sdk-node");
  const { BatchSpanProcessor } = sdk.tracing;
  const exporters = await Promise.all(kinds.map((kind) => createExporter(kind, env)));
  const telemetry = new sdk.NodeSDK({
    serviceName: env.OTEL_SERVICE_NAME ?? options.serviceName,
    spanProcessors: exporters.map((exporter) => new BatchSpanProcessor(exporter)),
    // Absent, the SDK reads OTEL_TRACES_SAMPLER itself.
    ...(env.OTEL_TRACES_SAMPLER === undefined && {
      sampler: new sdk.tracing.ParentBasedSampler({
        root: new sdk.tracing.TraceIdRatioBasedSampler(defaultRatio),
      }),
    }),
    instrumentations: [],
    metricReaders: [],
    logRecordProcessors: [],
  });
  telemetry.start();
  options.log.info({ exporters: kinds }, "tracing");
  options.defer(() => telemetry.shutdown());
}

type ExporterKind = "otlp" | "jaeger" | "console";

function exporterKinds(env: NodeJS.ProcessEnv): readonly ExporterKind[] {
  const hasEndpoint =
    env.OTEL_EXPORTER_OTLP_ENDPOINT !== undefined ||
    env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT !== undefined;
  if (env.OTEL_SDK_DISABLED === "true") return [];
  const named = env.OTEL_TRACES_EXPORTER?.split(",").map((name) => name.trim());
  const kinds = named ?? (hasEndpoint ? ["otlp"] : []);
  return kinds
    .filter((kind) => kind !== "none")
    .map((kind) => {
      if (kind === "otlp" || kind === "jaeger" || kind === "console") return kind;
      throw new Error(
        `OTEL_TRACES_EXPORTER: expected otlp, jaeger, console or none, got "${kind}"`,
      );
    });
}

/** Each exporter reads its own OTEL_EXPORTER_* variables, and is loaded only when named. */
async function createExporter(kind: ExporterKind, env: NodeJS.ProcessEnv) {
  if (kind === "jaeger") {
    const { JaegerExporter } = await import("@opentelemetry/exporter-jaeger");
    return new JaegerExporter();
  }
  if (kind === "console") {
    const { ConsoleSpanExporter } = await import("@opentelemetry/sdk-trace-base");
    return new ConsoleSpanExporter();
  }
  const protocol =
    env.OTEL_EXPORTER_OTLP_TRACES_PROTOCOL ?? env.OTEL_EXPORTER_OTLP_PROTOCOL ?? "http/protobuf";
  if (protocol === "grpc") {
    const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-grpc");
    return new OTLPTraceExporter();
  }
  if (protocol === "http/json") {
    const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
    return new OTLPTraceExporter();
  }
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-proto");
  return new OTLPTraceExporter();
}
