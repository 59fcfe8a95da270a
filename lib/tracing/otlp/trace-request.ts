import type { Attributes, AttributeValue, HrTime, Link, SpanContext } from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { getOrAdd, newMap } from "../../get-or-add.js";
import type { AttributeListener, AttributeTeller, Facts } from "../span.js";
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

/** Fields by themselves, to be written more than once. */
function encode(write: (writer: ProtoWriter) => void): Uint8Array {
  const writer = takeWriter();
  write(writer);
  const bytes = writer.toBytes();
  putBack(writer);
  return bytes;
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
  const { parentSpanContext: parent } = span;
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
  if (isPlain(span)) writer.raw(plainRest);
  else writeRest(writer, span);
  writer.fixed32(16, flagsOf(context, parent));
  writer.end(begin);
}

/** Whether nothing more is to be said of it, as of most. */
function isPlain(span: ReadableSpan): boolean {
  const { events, links, status } = span;
  const dropped = span.droppedAttributesCount + span.droppedEventsCount + span.droppedLinksCount;
  return events.length + links.length + dropped === 0 && status.code === 0 && !status.message;
}

function writeRest(writer: ProtoWriter, span: Rest): void {
  const { events, links, status } = span;
  writer.number(10, span.droppedAttributesCount);
  for (const event of events) writeEvent(writer, event);
  writer.number(12, span.droppedEventsCount);
  for (const link of links) writeLink(writer, link);
  writer.number(14, span.droppedLinksCount);
  const statusBegin = writer.begin(15);
  if (status.message) writer.text(2, status.message);
  writer.number(3, status.code);
  writer.end(statusBegin);
}

type Rest = Pick<
  ReadableSpan,
  | "droppedAttributesCount"
  | "events"
  | "droppedEventsCount"
  | "links"
  | "droppedLinksCount"
  | "status"
>;

const plainRest = encode((writer) =>
  writeRest(writer, {
    ...{ events: [], links: [], status: { code: 0 } },
    ...{ droppedAttributesCount: 0, droppedEventsCount: 0, droppedLinksCount: 0 },
  }),
);

function writeIds(writer: ProtoWriter, { traceId, spanId, traceState }: SpanContext): void {
  writer.raw(traceFieldOf(traceId));
  writer.hex(2, spanId);
  const state = traceState?.serialize();
  if (state) writer.text(3, state);
}

let lastTrace: { readonly id: string; readonly field: Uint8Array } = {
  id: "",
  field: new Uint8Array(),
};

/** Spans of a trace come one after another. */
function traceFieldOf(id: string): Uint8Array {
  if (lastTrace.id !== id) lastTrace = { id, field: encode((writer) => writer.hex(1, id)) };
  return lastTrace.field;
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
    const encodeFacts = () =>
      encode((writer) => writeAttributes(writer, spanAttributesField, facts));
    this.writer.raw(getOrAdd(this.#known, facts, encodeFacts));
  }
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

/** As nanoseconds since 1970. */
function writeTime(writer: ProtoWriter, field: number, [seconds, nanoseconds]: HrTime): void {
  if (lastSecond.seconds !== seconds) lastSecond = splitSecond(seconds);
  const low = lastSecond.low + nanoseconds;
  if (low < two32) writer.fixed64(field, low, lastSecond.high);
  else writer.fixed64(field, low - two32, (lastSecond.high + 1) % two32);
}

const two32 = 0x1_0000_0000;

/** Spans that are written together have ended within the same seconds. */
let lastSecond = { seconds: 0, low: 0, high: 0 };

/** The nanoseconds of so many seconds, as their lower and upper 32 bits: they have more digits than a number holds. */
function splitSecond(seconds: number): typeof lastSecond {
  const all = BigInt.asUintN(64, BigInt(seconds) * 1_000_000_000n);
  return { seconds, low: Number(all & 0xffff_ffffn), high: Number(all >> 32n) };
}
