import type { AttributeValue, Context, SpanContext } from "@opentelemetry/api";
import type { MeshError } from "../errors.js";

/** Where a call stands in its trace: what begins here becomes a child of it. */
export interface Span {
  /** 32 hexadecimal digits; undefined when nothing is traced. */
  readonly traceId: string | undefined;
  /** Whether the trace is certain to be kept, so that every process shows its part of it. */
  readonly isSampled: boolean;
  /** Whether something is made of `set`, `link` and `end`: when not, costly attributes need not be computed. */
  readonly isRecording: boolean;
  /** Begins a child now. */
  begin(name: string, options?: SpanOptions): Span;
  /**
   * Begins work that several requests share, as a trace of its own. It is kept when the trace of one of those is that
   * `share` it.
   */
  beginShared(name: string, options?: SpanOptions): Span;
  /** This span is part of the shared work: links both ways. */
  share(shared: Span): void;
  /** An attribute, once. */
  set(name: string, value: AttributeValue): void;
  /**
   * Several, which are set nowhere else. They are read only if the span is kept, and must not change: what many spans have
   * in common is made once.
   */
  describe(facts: Facts): void;
  /** The same, of one who is asked only if the span is kept, once it has ended. One is heard; a later one takes its place. */
  describeBy(teller: AttributeTeller): void;
  /** Points to a span of another trace, or of another branch of this one. */
  link(to: Span): void;
  /** Ends it now, or at `endMs` of the clock; `error` is why it failed. Later calls do nothing. */
  end(error?: MeshError, endMs?: number): void;
  /** The trace is kept, whatever it looks like from here: another process has kept its part of it. */
  keep(): void;
  /** The trace's id if it will be found later, as far as that is known now, or `atMs`; for exemplars of metrics. */
  exemplarId(error?: MeshError, atMs?: number): string | undefined;
  /** What travels to the next process: ids, flags and whatever else came along. Undefined when nothing is traced. */
  toContext(): Context | undefined;
  /** Its own ids and flags, as a link names them. */
  toSpanContext(): SpanContext | undefined;
}

/** Attributes by name. */
export type Facts = Readonly<Record<string, AttributeValue>>;

/** Hears of attributes as a span was told of them; none comes twice. */
export interface AttributeListener {
  attribute(name: string, value: AttributeValue): void;
  /** Several, which other spans may have as well: the same object is the same attributes. */
  facts(facts: Facts): void;
}

export interface AttributeTeller {
  tellAttributes(listener: AttributeListener): void;
}

export interface SpanOptions {
  /** Whether it answers a call of another process, or makes one; internal otherwise. */
  readonly kind?: "internal" | "server" | "client";
  /** The role that does the work; undefined: its parent's. */
  readonly role?: string;
  /** When it began, of the clock's `nowMs`; undefined: now. */
  readonly startMs?: number;
}

/** Where nothing is traced. */
export const noSpan: Span = {
  traceId: undefined,
  isSampled: false,
  isRecording: false,
  begin: () => noSpan,
  beginShared: () => noSpan,
  share() {},
  set() {},
  describe() {},
  describeBy() {},
  link() {},
  end() {},
  keep() {},
  exemplarId: () => undefined,
  toContext: () => undefined,
  toSpanContext: () => undefined,
};
