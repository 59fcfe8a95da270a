import { OTLPExporterBase } from "@opentelemetry/otlp-exporter-base";
import {
  convertLegacyOtlpGrpcOptions,
  createOtlpGrpcExportDelegate,
} from "@opentelemetry/otlp-grpc-exporter-base";
import { type BatchExporter, inBatches } from "../span-batch.js";
import { requestMetrics, requestSerializer } from "./serializer.js";
import { TraceRequest } from "./trace-request.js";

/** OpenTelemetry's exporter over gRPC, all its settings included, but with requests that are encoded span by span. */
export function createGrpcExporter(): BatchExporter {
  const exporter = new OTLPExporterBase(
    createOtlpGrpcExportDelegate(
      convertLegacyOtlpGrpcOptions({}, "TRACES"),
      requestSerializer,
      "otlp_grpc_span_exporter",
      requestMetrics,
      undefined,
      "TraceExportService",
      "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
    ),
  );
  return inBatches(() => new TraceRequest(), exporter);
}
