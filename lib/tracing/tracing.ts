import type { TextMapGetter } from "@opentelemetry/api";
import { noSpan, type Span } from "./span.js";

/** How a process traces. */
export interface Tracing {
  /** Where a call stands that comes in over a wire: what begins there is a child of its caller's span, or a root. */
  enter<C>(arrival: TraceArrival<C>): Span;
}

export interface TraceArrival<C> {
  readonly carrier: C;
  readonly getter: TextMapGetter<C>;
  /** The role that answers. */
  readonly role: string;
  /** Whether a role of the mesh calls, not somebody outside. */
  readonly isCallerInMesh: boolean;
}

/** Where tracing is off. */
export const noTracing: Tracing = { enter: () => noSpan };
