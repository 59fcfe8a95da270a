import {
  type Context,
  isSpanContextValid,
  type TextMapGetter,
  type TextMapPropagator,
  type TextMapSetter,
  trace,
} from "@opentelemetry/api";
import { W3CBaggagePropagator, W3CTraceContextPropagator } from "@opentelemetry/core";
import { B3InjectEncoding, B3Propagator } from "@opentelemetry/propagator-b3";
import type { TracingConfig } from "./config.js";
import { jaegerPropagator } from "./jaeger-propagator.js";

/**
 * The formats that OTEL_PROPAGATORS names. All are sent. Of those that come in, the first that brings a valid trace
 * counts, whatever the others say. A format whose headers did not come costs a look at them and no more.
 */
export function createPropagator(names: readonly FormatName[]): TextMapPropagator {
  const formats = [...new Set(names)]
    .filter((name) => name !== "none")
    .map((name) => createFormat[name]());
  return {
    fields: () => formats.flatMap(({ propagator }) => propagator.fields()),

    inject<C>(context: Context, carrier: C, setter: TextMapSetter<C>): void {
      const careful = onlyPrintable(setter);
      for (const { propagator } of formats) propagator.inject(context, carrier, careful);
    },

    extract<C>(context: Context, carrier: C, getter: TextMapGetter<C>): Context {
      let found = context;
      for (const { propagator, headers } of formats) {
        if (!headers.some((header) => getter.get(carrier, header) !== undefined)) continue;
        found = keepParent(found, propagator.extract(found, carrier, getter));
      }
      return found;
    },
  };
}

export type FormatName = TracingConfig["propagators"][number];

interface Format {
  readonly propagator: TextMapPropagator;
  /** Without one of these it has brought nothing. */
  readonly headers: readonly string[];
}

const b3Headers = ["b3", "x-b3-traceid"];
const createFormat: Record<Exclude<FormatName, "none">, () => Format> = {
  tracecontext: () => ({
    propagator: new W3CTraceContextPropagator(),
    headers: ["traceparent"],
  }),
  baggage: () => ({ propagator: new W3CBaggagePropagator(), headers: ["baggage"] }),
  jaeger: () => ({ propagator: jaegerPropagator, headers: jaegerPropagator.fields() }),
  b3: () => ({ propagator: new B3Propagator(), headers: b3Headers }),
  b3multi: () => ({
    propagator: new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER }),
    headers: b3Headers,
  }),
};

/** What the next format has found, but not instead of a parent that is known, and not an invalid one. */
function keepParent(before: Context, after: Context): Context {
  const known = trace.getSpanContext(before);
  const found = trace.getSpanContext(after);
  if (found === known) return after;
  if (known !== undefined) return trace.setSpanContext(after, known);
  return found === undefined || isSpanContextValid(found) ? after : trace.deleteSpan(after);
}

const printable = /^[ -~]*$/;

/** Properties of baggage may hold any character; gRPC refuses to send those, and with them the whole call. */
function onlyPrintable<C>(setter: TextMapSetter<C>): TextMapSetter<C> {
  return {
    set(carrier, key, value) {
      if (printable.test(value)) setter.set(carrier, key, value);
    },
  };
}
