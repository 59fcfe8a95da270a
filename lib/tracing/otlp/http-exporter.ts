import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base";
import {
  convertLegacyHttpOptions,
  createOtlpHttpExportDelegate,
} from "@opentelemetry/otlp-exporter-base/node-http";
import { type BatchExporter, inBatches } from "../span-batch.js";
import { requestMetrics, requestSerializer } from "./serializer.js";
import { TraceRequest } from "./trace-request.js";

/** OpenTelemetry's exporter over HTTP with Protobuf, all its settings included, but with requests that are encoded span by span. */
export function createHttpExporter(): BatchExporter {
  const headers = { "Content-Type": "application/x-protobuf" };
  const options = convertLegacyHttpOptions({}, "TRACES", "v1/traces", headers);
  const exporter = new OTLPExporterBase(
    createOtlpHttpExportDelegate(
      options,
      requestSerializer,
      "otlp_http_span_exporter",
      requestMetrics,
      undefined,
    ),
  );
  return inBatches(() => new TraceRequest(), exporter);
}
