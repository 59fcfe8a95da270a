import { isSpanContextValid, type TextMapPropagator, TraceFlags, trace } from "@opentelemetry/api";

const header = "uber-trace-id";
/** Two ids of 32 digits, two of 16, and as much again for a careless encoding. */
const charactersMax = 128;
/** `trace-id:span-id:parent-span-id:flags`, of which the third means nothing any more. */
const format = /^([\da-f]{1,32}):([\da-f]{1,16}):[\da-f]{0,16}:([\da-f]{1,2})$/i;
const sampledOrDebug = 3;

/**
 * Jaeger's own header, for its older clients. Ids may be short; then zeros are missing on their left. What is malformed
 * is no trace (OpenTelemetry's own propagator would take any text for an id).
 */
export const jaegerPropagator: TextMapPropagator = {
  fields: () => [header],

  inject(context, carrier, setter) {
    const span = trace.getSpanContext(context);
    if (span === undefined || !isSpanContextValid(span)) return;
    const { traceId, spanId, traceFlags } = span;
    setter.set(carrier, header, `${traceId}:${spanId}:0:${traceFlags & TraceFlags.SAMPLED}`);
  },

  extract(context, carrier, getter) {
    const values = getter.get(carrier, header);
    const value = Array.isArray(values) ? values[0] : values;
    if (value === undefined || value.length > charactersMax) return context;
    const [, traceId, spanId, flags] = format.exec(value.replaceAll(/%3a/gi, ":")) ?? [];
    if (traceId === undefined || spanId === undefined || flags === undefined) return context;
    const isSampled = (Number.parseInt(flags, 16) & sampledOrDebug) !== 0;
    const parent = {
      traceId: traceId.toLowerCase().padStart(32, "0"),
      spanId: spanId.toLowerCase().padStart(16, "0"),
      traceFlags: isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE,
      isRemote: true,
    };
    return isSpanContextValid(parent) ? trace.setSpanContext(context, parent) : context;
  },
};
