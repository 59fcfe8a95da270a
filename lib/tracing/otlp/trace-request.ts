import type { Attributes, AttributeValue, HrTime, Link, SpanContext } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { getOrAdd, newMap } from "../../get-or-add.js";
import type { AttributeListener, AttributeTeller } from "../recorded-span.js";
import type { Facts } from "../span.js";
import { ProtoWriter } from "./proto-writer.js";

type Resource = ReadableSpan["resource"];
type Scope = ReadableSpan["instrumentationScope"];

/** Encoding so many in a row takes half the time of encoding each when it comes: by then other code is in the caches. */
const spansAtOnce = 64;

/**
 * An ExportTraceServiceRequest of OTLP, byte for byte what OpenTelemetry's own serializer makes of the same spans. They
 * are written soon after they have come, and then forgotten: hundreds that wait as objects are moved about by every
 * collection of garbage, which costs as much as to encode them.
 */
export class TraceRequest {
  readonly #groups = new Map<Resource, Map<Scope, ProtoWriter>>();
  #unwritten: ReadableSpan[] = [];
  #size = 0;

  /** Its spans. */
  get size(): number {
    return this.#size;
  }

  add(spans: readonly ReadableSpan[]): void {
    for (const span of spans) this.#unwritten.push(span);
    this.#size += spans.length;
    if (this.#unwritten.length >= spansAtOnce) this.#write();
  }

  /** Call it once; nothing can be added after it. */
  finish(): Uint8Array {
    this.#write();
    const writer = takeWriter();
    for (const [resource, scopes] of this.#groups) {
      const begin = writer.begin(1);
      writeResource(writer, resource);
      for (const [scope, spans] of scopes) {
        writeScopeSpans(writer, scope, spans);
        putBack(spans);
      }
      if (resource.schemaUrl) writer.text(3, resource.schemaUrl);
      writer.end(begin);
    }
    this.#groups.clear();
    const bytes = writer.toBytes();
    putBack(writer);
    return bytes;
  }

  #write(): void {
    for (const span of this.#unwritten) writeSpan(this.#writerOf(span), span);
    this.#unwritten = [];
  }

  #writerOf({ resource, instrumentationScope: scope }: ReadableSpan): ProtoWriter {
    const scopes = getOrAdd(this.#groups, resource, newMap);
    return getOrAdd(scopes, scope, takeWriter);
  }
}

/** Writers that wait for the next request, so that their buffers need not be made and grow anew. */
const spares: ProtoWriter[] = [];
/** One for each role and one for the whole, while one request is filled and another finished. */
const sparesMax = 10;

function takeWriter(): ProtoWriter {
  return spares.pop() ?? new ProtoWriter();
}

function putBack(writer: ProtoWriter): void {
  writer.clear();
  if (spares.length < sparesMax) spares.push(writer);
}

function writeResource(writer: ProtoWriter, { attributes }: Resource): void {
  const begin = writer.begin(1);
  writeAttributes(writer, 1, attributes);
  writer.number(2, 0);
  writer.end(begin);
}

function writeScopeSpans(writer: ProtoWriter, scope: Scope, spans: ProtoWriter): void {
  const begin = writer.begin(2);
  const scopeBegin = writer.begin(1);
  writer.name(1, scope.name);
  if (scope.version) writer.text(2, scope.version);
  writer.end(scopeBegin);
  writer.append(spans);
  if (scope.schemaUrl) writer.text(3, scope.schemaUrl);
  writer.end(begin);
}

function writeSpan(writer: ProtoWriter, span: ReadableSpan): void {
  const { parentSpanContext: parent, events, links, status } = span;
  const context = span.spanContext();
  const begin = writer.begin(2);
  writeIds(writer, context);
  if (parent?.spanId) writer.hex(4, parent.spanId);
  writer.name(5, span.name);
  // The API has no value for a kind that is not set, which is 0 here.
  writer.number(6, span.kind + 1);
  writeTime(writer, 7, span.startTime);
  writeTime(writer, 8, span.endTime);
  writeSpanAttributes(writer, span);
  writer.number(10, span.droppedAttributesCount);
  for (const event of events) writeEvent(writer, event);
  writer.number(12, span.droppedEventsCount);
  for (const link of links) writeLink(writer, link);
  writer.number(14, span.droppedLinksCount);
  const statusBegin = writer.begin(15);
  if (status.message) writer.text(2, status.message);
  writer.number(3, status.code);
  writer.end(statusBegin);
  writer.fixed32(16, flagsOf(context, parent));
  writer.end(begin);
}

function writeIds(writer: ProtoWriter, { traceId, spanId, traceState }: SpanContext): void {
  writer.bytes(1, traceBytesOf(traceId));
  writer.hex(2, spanId);
  const state = traceState?.serialize();
  if (state) writer.text(3, state);
}

let lastTrace = { id: "", bytes: Buffer.alloc(0) };

/** Spans of a trace come one after another. */
function traceBytesOf(id: string): Uint8Array {
  if (lastTrace.id !== id) lastTrace = { id, bytes: Buffer.from(id, "hex") };
  return lastTrace.bytes;
}

function writeEvent(writer: ProtoWriter, event: ReadableSpan["events"][number]): void {
  const begin = writer.begin(11);
  writeTime(writer, 1, event.time);
  writer.name(2, event.name);
  writeAttributes(writer, 3, event.attributes);
  writer.number(4, event.droppedAttributesCount ?? 0);
  writer.end(begin);
}

function writeLink(
  writer: ProtoWriter,
  { context, attributes, droppedAttributesCount = 0 }: Link,
): void {
  const begin = writer.begin(13);
  writeIds(writer, context);
  writeAttributes(writer, 4, attributes);
  writer.number(5, droppedAttributesCount);
  writer.fixed32(6, flagsOf(context, context));
  writer.end(begin);
}

const isRemoteKnown = 0x100;
const isRemote = 0x200;

function flagsOf({ traceFlags }: SpanContext, from: SpanContext | undefined): number {
  return (traceFlags & 0xff) | isRemoteKnown | (from?.isRemote === true ? isRemote : 0);
}

const spanAttributesField = 9;

/** Spans that can tell their attributes have no need of an object for them. */
function writeSpanAttributes(
  writer: ProtoWriter,
  span: ReadableSpan & Partial<AttributeTeller>,
): void {
  if (span.tellAttributes === undefined) {
    writeAttributes(writer, spanAttributesField, span.attributes);
  } else {
    attributeWriter.writer = writer;
    span.tellAttributes(attributeWriter);
  }
}

/** Writes what spans tell. Facts that spans have in common are encoded once. */
class AttributeWriter implements AttributeListener {
  writer = new ProtoWriter();
  readonly #known = new WeakMap<Facts, Uint8Array>();

  attribute(name: string, value: AttributeValue): void {
    writeAttribute(this.writer, spanAttributesField, name, value);
  }

  facts(facts: Facts): void {
    this.writer.raw(getOrAdd(this.#known, facts, () => encodeFacts(facts)));
  }
}

function encodeFacts(facts: Facts): Uint8Array {
  const writer = takeWriter();
  writeAttributes(writer, spanAttributesField, facts);
  const bytes = writer.toBytes();
  putBack(writer);
  return bytes;
}

const attributeWriter = new AttributeWriter();

function writeAttributes(writer: ProtoWriter, field: number, attributes: Attributes = {}): void {
  for (const [name, value] of Object.entries(attributes)) {
    writeAttribute(writer, field, name, value);
  }
}

function writeAttribute(writer: ProtoWriter, field: number, name: string, value: unknown): void {
  const begin = writer.begin(field);
  writer.name(1, name);
  writeValue(writer, 2, value);
  writer.end(begin);
}

/** An AnyValue. What is none of these is written as an empty one. */
function writeValue(writer: ProtoWriter, field: number, value: unknown): void {
  const begin = writer.begin(field);
  if (typeof value === "string") writer.text(1, value);
  else if (typeof value === "boolean") writer.number(2, value ? 1 : 0);
  else if (typeof value === "number") writeNumber(writer, value);
  else if (Array.isArray(value)) {
    const arrayBegin = writer.begin(5);
    for (const item of value) writeValue(writer, 1, item);
    writer.end(arrayBegin);
  }
  writer.end(begin);
}

function writeNumber(writer: ProtoWriter, value: number): void {
  const isInt64 = Number.isInteger(value) && value >= -(2 ** 63) && value < 2 ** 63;
  if (isInt64) writer.number(3, value);
  else writer.double(4, value);
}

/** Nanoseconds since 1970 have more digits than a number holds: the seconds are multiplied in two parts. */
function writeTime(writer: ProtoWriter, field: number, [seconds, nanoseconds]: HrTime): void {
  const lower = (seconds % 0x1_0000) * 1e9 + nanoseconds;
  const upper = Math.floor(seconds / 0x1_0000) * 1e9;
  const low = (lower % two32) + (upper % 0x1_0000) * 0x1_0000;
  const high = Math.floor(lower / two32) + Math.floor(upper / 0x1_0000) + Math.floor(low / two32);
  writer.fixed64(field, low % two32, high % two32);
}

const two32 = 0x1_0000_0000;
