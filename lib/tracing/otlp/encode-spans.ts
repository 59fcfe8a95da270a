import type { Attributes, HrTime, Link, SpanContext } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { ProtoWriter } from "./proto-writer.js";

/**
 * Spans as an ExportTraceServiceRequest of OTLP, byte for byte what OpenTelemetry's own serializer makes of them, in half
 * the time: with every request sampled that is most of what tracing costs.
 */
export function encodeSpans(spans: readonly ReadableSpan[]): Uint8Array {
  for (const [resource, scopes] of groupSpans(spans)) {
    const begin = writer.begin(1);
    writeResource(resource);
    for (const [scope, group] of scopes) writeScopeSpans(scope, group);
    if (resource.schemaUrl) writer.text(3, resource.schemaUrl);
    writer.end(begin);
  }
  return writer.finish();
}

type Resource = ReadableSpan["resource"];
type Scope = ReadableSpan["instrumentationScope"];

const writer = new ProtoWriter();

function groupSpans(spans: readonly ReadableSpan[]): Map<Resource, Map<Scope, ReadableSpan[]>> {
  const groups = new Map<Resource, Map<Scope, ReadableSpan[]>>();
  for (const span of spans) {
    const { resource, instrumentationScope: scope } = span;
    let scopes = groups.get(resource);
    if (scopes === undefined) {
      scopes = new Map();
      groups.set(resource, scopes);
    }
    const group = scopes.get(scope);
    if (group === undefined) scopes.set(scope, [span]);
    else group.push(span);
  }
  return groups;
}

function writeResource({ attributes }: Resource): void {
  const begin = writer.begin(1);
  writeAttributes(1, attributes);
  writer.number(2, 0);
  writer.end(begin);
}

function writeScopeSpans(scope: Scope, spans: readonly ReadableSpan[]): void {
  const begin = writer.begin(2);
  const scopeBegin = writer.begin(1);
  writer.name(1, scope.name);
  if (scope.version) writer.text(2, scope.version);
  writer.end(scopeBegin);
  for (const span of spans) writeSpan(span);
  if (scope.schemaUrl) writer.text(3, scope.schemaUrl);
  writer.end(begin);
}

function writeSpan(span: ReadableSpan): void {
  const { parentSpanContext: parent, events, links, status } = span;
  const context = span.spanContext();
  const begin = writer.begin(2);
  writeIds(context);
  if (parent?.spanId) writer.hex(4, parent.spanId);
  writer.name(5, span.name);
  // The API has no value for a kind that is not set, which is 0 here.
  writer.number(6, span.kind + 1);
  writeTime(7, span.startTime);
  writeTime(8, span.endTime);
  writeAttributes(9, span.attributes);
  writer.number(10, span.droppedAttributesCount);
  for (const event of events) writeEvent(event);
  writer.number(12, span.droppedEventsCount);
  for (const link of links) writeLink(link);
  writer.number(14, span.droppedLinksCount);
  const statusBegin = writer.begin(15);
  if (status.message) writer.text(2, status.message);
  writer.number(3, status.code);
  writer.end(statusBegin);
  writer.fixed32(16, flagsOf(context, parent));
  writer.end(begin);
}

function writeIds({ traceId, spanId, traceState }: SpanContext): void {
  writer.hex(1, traceId);
  writer.hex(2, spanId);
  const state = traceState?.serialize();
  if (state) writer.text(3, state);
}

function writeEvent(event: ReadableSpan["events"][number]): void {
  const begin = writer.begin(11);
  writeTime(1, event.time);
  writer.name(2, event.name);
  writeAttributes(3, event.attributes);
  writer.number(4, event.droppedAttributesCount ?? 0);
  writer.end(begin);
}

function writeLink({ context, attributes, droppedAttributesCount = 0 }: Link): void {
  const begin = writer.begin(13);
  writeIds(context);
  writeAttributes(4, attributes);
  writer.number(5, droppedAttributesCount);
  writer.fixed32(6, flagsOf(context, context));
  writer.end(begin);
}

const isRemoteKnown = 0x100;
const isRemote = 0x200;

function flagsOf({ traceFlags }: SpanContext, from: SpanContext | undefined): number {
  return (traceFlags & 0xff) | isRemoteKnown | (from?.isRemote === true ? isRemote : 0);
}

function writeAttributes(field: number, attributes: Attributes = {}): void {
  for (const key in attributes) {
    if (!Object.hasOwn(attributes, key)) continue;
    const begin = writer.begin(field);
    writer.name(1, key);
    writeValue(2, attributes[key]);
    writer.end(begin);
  }
}

/** An AnyValue. What is none of these is written as an empty one. */
function writeValue(field: number, value: unknown): void {
  const begin = writer.begin(field);
  if (typeof value === "string") writer.text(1, value);
  else if (typeof value === "boolean") writer.number(2, value ? 1 : 0);
  else if (typeof value === "number") writeNumber(value);
  else if (Array.isArray(value)) {
    const arrayBegin = writer.begin(5);
    for (const item of value) writeValue(1, item);
    writer.end(arrayBegin);
  }
  writer.end(begin);
}

function writeNumber(value: number): void {
  const isInt64 = Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63;
  if (isInt64) writer.number(3, value);
  else writer.double(4, value);
}

/** Nanoseconds since 1970 have more digits than a number holds: the seconds are multiplied in two parts. */
function writeTime(field: number, [seconds, nanoseconds]: HrTime): void {
  const lower = (seconds % 0x1_0000) * 1e9 + nanoseconds;
  const upper = Math.floor(seconds / 0x1_0000) * 1e9;
  const low = (lower % two32) + (upper % 0x1_0000) * 0x1_0000;
  const high = Math.floor(lower / two32) + Math.floor(upper / 0x1_0000) + Math.floor(low / two32);
  writer.fixed64(field, low % two32, high % two32);
}

const two32 = 0x1_0000_0000;
