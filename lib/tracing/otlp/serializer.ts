import {
  type ISerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from "@opentelemetry/otlp-transformer";
import type { TraceRequest } from "./trace-request.js";

type Response = ReturnType<(typeof ProtobufTraceSerializer)["deserializeResponse"]>;

/** What OpenTelemetry's exporters take instead of their own, for spans that are encoded already. */
export const requestSerializer: ISerializer<TraceRequest, Response> = {
  serializeRequest: (request) => request.finish(),
  deserializeResponse: (bytes) => ProtobufTraceSerializer.deserializeResponse(bytes),
};

export const requestMetrics = {
  ...TraceExporterMetricsHelper,
  countItems: ({ size }: TraceRequest): number => size,
};
