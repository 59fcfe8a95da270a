import { z } from "zod";
import type { AttributeValue, SpanEvent, TraceSpan } from "./trace-span.js";

const dateUsMax = 8.64e18;
const id = z.string().regex(/^[0-9a-f]{1,32}$/);
const keyValue = z.object({
  key: z.string(),
  value: z.union([z.string(), z.number(), z.boolean()]),
});
const reference = z.object({
  refType: z.enum(["CHILD_OF", "FOLLOWS_FROM"]),
  traceID: id,
  spanID: id,
});
const span = z.object({
  traceID: id,
  spanID: id,
  operationName: z.string(),
  references: z.array(reference).nullish(),
  // Beyond it, no date can be told.
  startTime: z.number().min(0).max(dateUsMax),
  duration: z.number(),
  tags: z.array(keyValue).nullish(),
  logs: z.array(z.object({ timestamp: z.number(), fields: z.array(keyValue) })).nullish(),
  processID: z.string(),
  warnings: z.array(z.string()).nullish(),
});
const process = z.object({ serviceName: z.string(), tags: z.array(keyValue).nullish() });
const trace = z.object({ spans: z.array(span), processes: z.record(z.string(), process) });
const answer = z.object({ data: z.array(trace) });

type Trace = z.output<typeof trace>;
type Process = z.output<typeof process>;
type Span = z.output<typeof span>;
type KeyValues = readonly z.output<typeof keyValue>[] | null | undefined;

/** The spans of each trace in an answer of Jaeger's query API, or undefined for what is no such answer. */
export function readTraces(json: unknown): TraceSpan[][] | undefined {
  const { success, data } = answer.safeParse(json);
  return success ? data.data.map(toSpans) : undefined;
}

function toSpans({ spans, processes }: Trace): TraceSpan[] {
  const resources = new Map(
    Object.entries(processes).map(([id, { tags }]) => [id, toAttributes(tags)] as const),
  );
  return spans.map((span) =>
    toSpan(span, processes[span.processID], resources.get(span.processID)),
  );
}

function toSpan(
  span: Span,
  process: Process | undefined,
  resource: Readonly<Record<string, AttributeValue>> = {},
): TraceSpan {
  const attributes = toAttributes(span.tags);
  const references = span.references ?? [];
  const own = references.filter(({ traceID }) => traceID === span.traceID);
  // Jaeger's own rule: without a parent, what a span follows from in its trace stands for one.
  const parent = own.find(({ refType }) => refType === "CHILD_OF") ?? own[0];
  return {
    traceId: span.traceID,
    spanId: span.spanID,
    parentId: parent?.spanID,
    service: process?.serviceName ?? "unknown",
    name: span.operationName,
    startUs: span.startTime,
    durationUs: span.duration,
    isError: attributes.error === true || attributes["otel.status_code"] === "ERROR",
    attributes,
    resource,
    events: (span.logs ?? []).map(toEvent),
    links: references
      .filter((reference) => reference !== parent)
      .map(({ traceID, spanID }) => ({ traceId: traceID, spanId: spanID })),
    warnings: span.warnings ?? [],
  };
}

function toEvent({ timestamp, fields }: { timestamp: number; fields: KeyValues }): SpanEvent {
  const { event, ...attributes } = toAttributes(fields);
  return { atUs: timestamp, name: String(event ?? "event"), attributes };
}

function toAttributes(pairs: KeyValues): Record<string, AttributeValue> {
  return Object.fromEntries((pairs ?? []).map(({ key, value }) => [key, value]));
}
