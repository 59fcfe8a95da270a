/** Where a span is: what a link names, and `arrowmesh trace` takes. */
export interface SpanPlace {
  readonly traceId: string;
  readonly spanId: string;
}

export type AttributeValue = string | number | boolean;

/** A span as Jaeger keeps it, whoever made it. Times are microseconds, of 1970 where they are moments. */
export interface TraceSpan extends SpanPlace {
  readonly parentId: string | undefined;
  readonly service: string;
  readonly name: string;
  readonly startUs: number;
  readonly durationUs: number;
  readonly isError: boolean;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** What the process that made it says of itself. */
  readonly resource: Readonly<Record<string, AttributeValue>>;
  readonly events: readonly SpanEvent[];
  readonly links: readonly SpanPlace[];
  /** What Jaeger found wrong with it. */
  readonly warnings: readonly string[];
}

export interface SpanEvent {
  readonly atUs: number;
  readonly name: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
}
