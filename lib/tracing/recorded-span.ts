import {
  type AttributeValue,
  type Context,
  type SpanContext,
  TraceFlags,
  type TraceState,
  trace,
} from "@opentelemetry/api";
import type { MeshError } from "../errors.js";
import type { AttributeListener, AttributeTeller, Facts, Span, SpanOptions } from "./span.js";

/** Links of one span; as many sequences fit into a batch. */
const linksMax = 256;

/** The trace that a span belongs to, as its spans see it. */
export interface SpanHolder extends Span {
  readonly traceId: string;
  readonly role: string;
  /** The caller's span, if it can be found later. */
  readonly caller: SpanContext | undefined;
  /** What others have said in the caller's `tracestate`. */
  readonly traceState: TraceState | undefined;
  /** Spans that were too many to be held. */
  readonly droppedCount: number;
  /** What came along with the request, its caller's span context included. */
  readonly origin: Context;
  nowMs(): number;
  newSpanId(): string;
  add(name: string, parent: RecordedSpan | undefined, options: SpanOptions): Span;
  ended(span: RecordedSpan): void;
}

/** What it tells, by name. */
export function collectAttributes(teller: AttributeTeller): Record<string, AttributeValue> {
  const attributes: Record<string, AttributeValue> = {};
  teller.tellAttributes({
    attribute(name, value) {
      attributes[name] = value;
    },
    facts: (facts) => void Object.assign(attributes, facts),
  });
  return attributes;
}

/**
 * What a span was told, in turn: nothing is made of it before it is kept. A list takes half the room of an array, which
 * grows by 16 places at a time, and what requests hold while they are in work is what the collection of garbage moves.
 */
type Told = { next: Told | undefined } & (
  | { readonly name: string; readonly value: AttributeValue }
  | { readonly name: undefined; readonly facts: Facts }
);

export const noOptions: SpanOptions = {};

/** A span as plain numbers and words; only what is kept becomes one of OpenTelemetry's. */
export class RecordedSpan implements Span, AttributeTeller {
  readonly trace: SpanHolder;
  readonly name: string;
  readonly parent: RecordedSpan | undefined;
  readonly kind: NonNullable<SpanOptions["kind"]>;
  readonly role: string;
  readonly startMs: number;
  endMs: number | undefined;
  error: MeshError | undefined;
  #facts: Facts | undefined;
  #teller: AttributeTeller | undefined;
  #firstTold: Told | undefined;
  #lastTold: Told | undefined;
  #links: Span[] | undefined;
  #spanId: string | undefined;

  constructor(
    holder: SpanHolder,
    name: string,
    parent: RecordedSpan | undefined,
    options: SpanOptions,
  ) {
    this.trace = holder;
    this.name = name;
    this.parent = parent;
    this.kind = options.kind ?? "internal";
    this.role = options.role ?? parent?.role ?? holder.role;
    this.startMs = options.startMs ?? holder.nowMs();
  }

  get isRecording(): true {
    return true;
  }

  get traceId(): string {
    return this.trace.traceId;
  }

  get isSampled(): boolean {
    return this.trace.isSampled;
  }

  /** 16 hexadecimal digits, drawn when somebody wants to know. */
  get spanId(): string {
    this.#spanId ??= this.trace.newSpanId();
    return this.#spanId;
  }

  get links(): readonly Span[] {
    return this.#links ?? [];
  }

  begin(name: string, options = noOptions): Span {
    return this.trace.add(name, this, options);
  }

  beginShared(name: string, options?: SpanOptions): Span {
    return this.trace.beginShared(name, { role: this.role, ...options });
  }

  share(shared: Span): void {
    this.link(shared);
    shared.link(this);
    this.trace.share(shared);
  }

  set(name: string, value: AttributeValue): void {
    this.#tell({ name, value, next: undefined });
  }

  describe(facts: Facts): void {
    // Most spans are told of no others.
    if (this.#facts === undefined) this.#facts = facts;
    else this.#tell({ name: undefined, facts, next: undefined });
  }

  describeBy(teller: AttributeTeller): void {
    this.#teller = teller;
  }

  #tell(told: Told): void {
    if (this.#lastTold === undefined) this.#firstTold = told;
    else this.#lastTold.next = told;
    this.#lastTold = told;
  }

  tellAttributes(listener: AttributeListener): void {
    if (this.#facts !== undefined) listener.facts(this.#facts);
    this.#teller?.tellAttributes(listener);
    for (let told = this.#firstTold; told !== undefined; told = told.next) {
      if (told.name === undefined) listener.facts(told.facts);
      else listener.attribute(told.name, told.value);
    }
  }

  get attributes(): Record<string, AttributeValue> {
    return collectAttributes(this);
  }

  link(to: Span): void {
    this.#links ??= [];
    if (this.#links.length < linksMax) this.#links.push(to);
  }

  end(error?: MeshError, endMs?: number): void {
    if (this.endMs !== undefined) return;
    this.endMs = endMs ?? this.trace.nowMs();
    this.error = error;
    this.trace.ended(this);
  }

  keep(): void {
    this.trace.keep();
  }

  exemplarId(error?: MeshError, atMs?: number): string | undefined {
    return this.trace.exemplarId(error, atMs);
  }

  toContext(): Context {
    return trace.setSpanContext(this.trace.origin, this.toSpanContext());
  }

  toSpanContext(): SpanContext {
    const { traceId, spanId } = this;
    const { traceState } = this.trace;
    const traceFlags = this.isSampled ? TraceFlags.SAMPLED : TraceFlags.NONE;
    return traceState === undefined
      ? { traceId, spanId, traceFlags }
      : { traceId, spanId, traceFlags, traceState };
  }
}
