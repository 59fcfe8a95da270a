import type { Clock } from "../clock.js";
import { ConfigError } from "../config.js";
import type { TracingConfig } from "./config.js";
import { type BatchExporter, inLists } from "./span-batch.js";

export type ExporterKind = "otlp" | "jaeger" | "console";

/** Which exporters are asked for: by name, or else by an endpoint. None means that nothing is traced. */
export function exporterKinds(config: TracingConfig): readonly ExporterKind[] {
  if (config.isDisabled || config.sampler === "always_off") return [];
  const named = config.exporters ?? [];
  if (named.length > 0) return [...new Set(named)].filter((kind) => kind !== "none");
  const { otlpEndpoint, otlpTracesEndpoint, jaegerEndpoint, jaegerAgentHost } = config;
  const kinds: ExporterKind[] = [];
  if (otlpEndpoint !== undefined || otlpTracesEndpoint !== undefined) kinds.push("otlp");
  if (jaegerEndpoint !== undefined || jaegerAgentHost !== undefined) kinds.push("jaeger");
  return kinds;
}

/** Each exporter reads the rest of its OTEL_EXPORTER_* variables by itself, and is loaded only when asked for. */
export async function createExporter(
  kind: ExporterKind,
  options: {
    readonly config: TracingConfig;
    readonly clock: Clock;
    readonly redact: (text: string) => string;
  },
): Promise<BatchExporter> {
  const { config, clock, redact } = options;
  try {
    if (kind === "otlp") return await createOtlpExporter(config);
    if (kind === "jaeger") {
      const { createJaegerExporter } = await import("./jaeger-exporter.js");
      return inLists(createJaegerExporter({ clock, exportMsMax: config.jaegerMsMax }));
    }
    const { ConsoleSpanExporter } = await import("@opentelemetry/sdk-trace");
    return inLists(new ConsoleSpanExporter());
  } catch (error) {
    throw new ConfigError([`traces cannot go out by ${kind}: ${redact(String(error))}`]);
  }
}

async function createOtlpExporter(config: TracingConfig): Promise<BatchExporter> {
  const protocol = config.otlpTracesProtocol ?? config.otlpProtocol;
  if (protocol === "grpc") return (await import("./otlp/grpc-exporter.js")).createGrpcExporter();
  if (protocol === "http/json") {
    const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
    return inLists(new OTLPTraceExporter());
  }
  return (await import("./otlp/http-exporter.js")).createHttpExporter();
}
