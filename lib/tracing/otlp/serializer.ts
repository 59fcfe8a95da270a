import { type ISerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { encodeSpans } from "./encode-spans.js";

type Response = ReturnType<(typeof ProtobufTraceSerializer)["deserializeResponse"]>;

/** What OpenTelemetry's exporters take instead of their own. */
export const spanSerializer: ISerializer<ReadableSpan[], Response> = {
  serializeRequest: encodeSpans,
  deserializeResponse: (bytes) => ProtobufTraceSerializer.deserializeResponse(bytes),
};
