import {
  type Context,
  ROOT_CONTEXT,
  type SpanContext,
  TraceFlags,
  type TraceState,
} from "@opentelemetry/api";
import { isServerFault, type MeshError } from "../errors.js";
import { noOptions, RecordedSpan, type SpanHolder } from "./recorded-span.js";
import type { Span, SpanOptions } from "./span.js";
import { UnheldSpan } from "./unheld-span.js";

/** Spans of one request in one process; what is more is counted and forgotten. */
export const spansMax = 512;

/** What all traces of a process share. */
export interface TraceDeps {
  readonly nowMs: () => number;
  readonly newTraceId: () => string;
  readonly newSpanId: () => string;
  /** From so many milliseconds on a request is slow, and its trace is kept. */
  readonly slowMs: number;
  /** Whether one more trace may be kept that was not sampled: of many failures at once not all are told. */
  readonly mayKeepUnsampled: () => boolean;
  /** Takes spans that have ended, parents before their children. */
  readonly export: (spans: readonly RecordedSpan[]) => void;
}

export interface TraceStart {
  readonly traceId: string;
  readonly isSampled: boolean;
  /** What came along with the request, its caller's span context included. */
  readonly origin: Context;
  /** The caller's span context, of `origin`. */
  readonly caller?: SpanContext | undefined;
  /** Whether the caller is a role of the mesh, which keeps its part of every trace that is kept here. */
  readonly isCallerInMesh: boolean;
  readonly role: string;
  /** Whether several requests share the work: it is kept when one of theirs is, and for no reason of its own. */
  readonly isShared?: boolean;
}

/**
 * The spans of one request in this process. They are held until the outermost has ended: then it is known whether the
 * request was sampled, failed or was slow, and they go out together or not at all. What ends later follows by itself.
 */
export class LocalTrace implements SpanHolder {
  readonly traceId: string;
  readonly isRecording = true;
  readonly role: string;
  readonly origin: Context;
  readonly traceState: TraceState | undefined;
  readonly #start: TraceStart;
  readonly #deps: TraceDeps;
  #isKept: boolean;
  #isOver = false;
  #count = 0;
  #spans: RecordedSpan[] = [];
  #outermost: RecordedSpan | undefined;
  #shared: Span[] | undefined;

  constructor(start: TraceStart, deps: TraceDeps) {
    this.traceId = start.traceId;
    this.role = start.role;
    this.origin = start.origin;
    this.traceState = start.caller?.traceState;
    this.#start = start;
    this.#deps = deps;
    this.#isKept = start.isSampled;
  }

  get isSampled(): boolean {
    return this.#isKept;
  }

  /** Spans that were too many to be held. */
  get droppedCount(): number {
    return Math.max(0, this.#count - spansMax);
  }

  /** The caller's span, if it can be found later: where the caller keeps nothing, the trace begins here. */
  get caller(): SpanContext | undefined {
    const { caller, isCallerInMesh } = this.#start;
    if (caller === undefined || isCallerInMesh) return caller;
    return (caller.traceFlags & TraceFlags.SAMPLED) !== 0 ? caller : undefined;
  }

  nowMs(): number {
    return this.#deps.nowMs();
  }

  newSpanId(): string {
    return this.#deps.newSpanId();
  }

  begin(name: string, options = noOptions): Span {
    return this.add(name, undefined, options);
  }

  set(): void {}
  describe(): void {}
  describeBy(): void {}
  link(): void {}
  end(): void {}

  /** Once the spans of a request are forgotten, those that end later would have no parents. */
  keep(): void {
    if (this.#isKept || (this.#isOver && this.#start.isShared !== true)) return;
    this.#isKept = true;
    for (const shared of this.#shared ?? []) shared.keep();
    this.#shared = undefined;
    if (this.#isOver) this.#exportEnded();
  }

  beginShared(name: string, options = noOptions): Span {
    const { role } = this;
    const traceId = this.#deps.newTraceId();
    const start = { traceId, role, origin: ROOT_CONTEXT, isSampled: false, isCallerInMesh: false };
    return new LocalTrace({ ...start, isShared: true }, this.#deps).begin(name, options);
  }

  share(shared: Span): void {
    if (this.#isKept) {
      shared.keep();
    } else if (!this.#isOver) {
      this.#shared ??= [];
      if (this.#shared.length < spansMax) this.#shared.push(shared);
    }
  }

  exemplarId(error?: MeshError, atMs = this.nowMs()): string | undefined {
    return this.#isKept || this.#isRemarkable(error, atMs) ? this.traceId : undefined;
  }

  toContext(): Context {
    return this.origin;
  }

  toSpanContext(): SpanContext | undefined {
    return this.#start.caller;
  }

  add(name: string, parent: RecordedSpan | undefined, options: SpanOptions): Span {
    this.#count += 1;
    if (this.#count > spansMax) return new UnheldSpan(parent ?? this.#outermost ?? this);
    const span = new RecordedSpan(this, name, parent, options);
    if (!this.#isOver) this.#spans.push(span);
    this.#outermost ??= span;
    return span;
  }

  ended(span: RecordedSpan): void {
    if (!this.#isOver) {
      if (span === this.#outermost) this.#decide(span);
    } else if (this.#isKept) this.#deps.export([span]);
  }

  #decide({ error, endMs = this.nowMs() }: RecordedSpan): void {
    const { isShared = false } = this.#start;
    const isWanted = !isShared && this.#isRemarkable(error, endMs) && !this.#isCallerGone(error);
    if (!this.#isKept && isWanted && this.#deps.mayKeepUnsampled()) this.keep();
    this.#isOver = true;
    if (this.#isKept) {
      this.#exportEnded();
    } else if (!isShared) {
      this.#spans = [];
      this.#shared = undefined;
    }
  }

  #exportEnded(): void {
    const ended = this.#spans.filter(({ endMs }) => endMs !== undefined);
    this.#spans = [];
    this.#deps.export(ended);
  }

  /** A role that has left, or tries another replica, does not hear that its trace is kept here, and keeps no part of it. */
  #isCallerGone(error: MeshError | undefined): boolean {
    const hasLeft = error?.fault === "cancelled" || error?.fault === "unavailable";
    return hasLeft && this.#start.isCallerInMesh;
  }

  #isRemarkable(error: MeshError | undefined, atMs: number): boolean {
    if (error !== undefined && isServerFault(error.fault)) return true;
    const startMs = this.#outermost?.startMs ?? Number.POSITIVE_INFINITY;
    return atMs - startMs >= this.#deps.slowMs;
  }
}
