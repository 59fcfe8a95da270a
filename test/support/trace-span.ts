import type { TraceSpan } from "../../lib/jaeger/trace-span.js";

/** A span for tests of what is done with spans: only what matters there is said. */
export function traceSpan(
  spanId: string,
  parentId?: string,
  rest: Partial<TraceSpan> = {},
): TraceSpan {
  return {
    traceId: "0af7651916cd43dd8448eb211c80319c",
    spanId,
    parentId,
    service: "arrowmesh-gateway",
    name: `span ${spanId}`,
    startUs: 1_000_000,
    durationUs: 1_000,
    isError: false,
    attributes: {},
    resource: {},
    events: [],
    links: [],
    warnings: [],
    ...rest,
  };
}
