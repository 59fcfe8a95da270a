import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base";
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from "@opentelemetry/otlp-exporter-base/node-http";
import { TraceExporterMetricsHelper } from "@opentelemetry/otlp-transformer";
import type { SpanExporter } from "@opentelemetry/sdk-trace";
import { spanSerializer } from "./serializer.js";

/** OpenTelemetry's exporter over HTTP with Protobuf, all its settings included, but with the fast serializer. */
export function createHttpExporter(): SpanExporter {
  const headers = { "Content-Type": "application/x-protobuf" };
  const options = convertLegacyHttpOptions({}, "TRACES", "v1/traces", headers);
  return new OTLPExporterBase(
    createOtlpHttpExportDelegate(
      options,
      spanSerializer,
      "otlp_http_span_exporter",
      TraceExporterMetricsHelper,
      undefined,
    ),
  );
}
