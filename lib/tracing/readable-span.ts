import {
  type Attributes,
  type HrTime,
  type Link,
  type SpanContext,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
} from "@opentelemetry/api";
import type { ReadableSpan } from "@opentelemetry/sdk-trace";
import { isServerFault } from "../errors.js";
import { collectAttributes, type RecordedSpan } from "./recorded-span.js";
import type { AttributeListener, AttributeTeller } from "./span.js";
import type { WallTime } from "./wall-time.js";

/** A recorded span as OpenTelemetry's processors and exporters read it; it has ended, and its trace is kept. */
export function toReadableSpan(
  span: RecordedSpan,
  wallTime: WallTime,
  resource: ReadableSpan["resource"],
): ReadableSpan & AttributeTeller {
  return new KeptSpan(span, wallTime, resource);
}

/** With every request sampled this is most of what tracing costs: fields in one order, and nothing copied. */
class KeptSpan implements ReadableSpan, AttributeTeller {
  readonly name: string;
  readonly kind: SpanKind;
  readonly startTime: HrTime;
  readonly endTime: HrTime;
  readonly status: ReadableSpan["status"];
  readonly links: Link[];
  readonly resource: ReadableSpan["resource"];
  readonly parentSpanContext?: SpanContext;
  readonly ended = true;
  readonly events = noEvents;
  readonly instrumentationScope = scope;
  readonly droppedAttributesCount = 0;
  readonly droppedEventsCount = 0;
  readonly droppedLinksCount = 0;
  readonly #context: SpanContext;
  readonly #span: RecordedSpan;
  readonly #startMs: number;
  readonly #endMs: number;

  constructor(span: RecordedSpan, wallTime: WallTime, resource: ReadableSpan["resource"]) {
    const endMsMax = endMsMaxOf(span.parent);
    const startMs = Math.min(span.startMs, endMsMax);
    const endMs = Math.max(startMs, Math.min(span.endMs ?? startMs, endMsMax));
    this.name = span.name;
    this.kind = kindOf[span.kind];
    this.startTime = wallTime.toHrTime(startMs);
    this.endTime = wallTime.toHrTime(endMs);
    this.#startMs = startMs;
    this.status = statusOf(span);
    this.#span = span;
    this.#endMs = endMs;
    this.links = span.links.length === 0 ? noLinks : linksOf(span);
    this.resource = resource;
    this.#context = contextOf(span);
    const parent = span.parent === undefined ? span.trace.caller : contextOf(span.parent);
    if (parent !== undefined) this.parentSpanContext = parent;
  }

  get duration(): HrTime {
    return toDuration(this.#endMs - this.#startMs);
  }

  get attributes(): Attributes {
    return collectAttributes(this);
  }

  /** What `attributes` has, for those who need no object of it. */
  tellAttributes(listener: AttributeListener): void {
    const { error, parent, trace, endMs = this.#endMs } = this.#span;
    this.#span.tellAttributes(listener);
    if (error !== undefined) listener.attribute("error.type", error.fault);
    if (parent === undefined && trace.droppedCount > 0) {
      listener.attribute("arrowmesh.dropped_spans", trace.droppedCount);
    }
    const outlivedMs = endMs - this.#endMs;
    if (outlivedMs >= outlivedMsMin) {
      listener.attribute("arrowmesh.outlived_parent_ms", outlivedMs);
    }
  }

  spanContext(): SpanContext {
    return this.#context;
  }
}

const noEvents: ReadableSpan["events"] = [];
const noLinks: Link[] = [];
const scope = { name: "arrowmesh" };
const unset = { code: SpanStatusCode.UNSET };

/**
 * When the parents of a span had ended. Work may go on after its caller has left, for others or because nothing can stop
 * it: it is shown until then, with how long it went on.
 */
function endMsMaxOf(parent: RecordedSpan | undefined): number {
  let endMsMax = Number.POSITIVE_INFINITY;
  for (let above = parent; above !== undefined; above = above.parent) {
    if (above.endMs !== undefined && above.endMs < endMsMax) endMsMax = above.endMs;
  }
  return endMsMax;
}

/** What is less is the order in which things end that end together. */
const outlivedMsMin = 1;

const kindOf = {
  internal: SpanKind.INTERNAL,
  server: SpanKind.SERVER,
  client: SpanKind.CLIENT,
} as const;

function contextOf({ traceId, spanId, trace: { traceState } }: RecordedSpan): SpanContext {
  const traceFlags = TraceFlags.SAMPLED;
  return traceState === undefined
    ? { traceId, spanId, traceFlags }
    : { traceId, spanId, traceFlags, traceState };
}

/** A server is not to blame for what its caller did wrong; everybody else has failed whatever the reason. */
function statusOf({ error, kind }: RecordedSpan): ReadableSpan["status"] {
  if (error === undefined || (kind === "server" && !isServerFault(error.fault))) return unset;
  // What callers are told of their own mistakes may quote what they sent.
  const message = isServerFault(error.fault) ? error.message : error.fault;
  return { code: SpanStatusCode.ERROR, message };
}

function linksOf({ links }: RecordedSpan): Link[] {
  return links.flatMap((link) => {
    const context = link.toSpanContext();
    return context === undefined ? [] : [{ context }];
  });
}

function toDuration(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}
