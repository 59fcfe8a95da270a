import { randomUUID } from "node:crypto";
import { setMaxListeners } from "node:events";
import { propagation, ROOT_CONTEXT, type TextMapGetter } from "@opentelemetry/api";
import type { Clock } from "../clock.js";
import { MeshError } from "../errors.js";
import type { CallContext, CallerFacts } from "./call.js";

/** A call that came into this process over a wire. */
export interface Entry {
  readonly context: CallContext;
  /** Tells the handler that its caller left. */
  cancel(): void;
  /** Forgets the deadline; call it when the answer is out. */
  close(): void;
}

/** What the wire says about a call. */
export interface Arrival<C> {
  /** Name of the call, as in the access log. */
  readonly name: string;
  /** HTTP headers or gRPC metadata, and how to read them. */
  readonly carrier: C;
  readonly getter: TextMapGetter<C>;
  readonly clientIp: string | undefined;
  /** How long the caller waits; undefined when it does not say. */
  readonly timeoutMs: number | undefined;
  readonly isStream: boolean;
}

/** Opens the context of calls that enter here: deadline, cancellation, trace parent and request id. */
export type OpenEntry = <C>(arrival: Arrival<C>) => Entry;

/** Who calls, read off what has arrived. */
export type ReadCaller = <C>(arrival: Arrival<C>) => {
  readonly clientIp: string | undefined;
  readonly caller: CallerFacts;
};

/** The bounds hold for callers that ask for more time, or for none. Only the edge asks who calls. */
export function createOpenEntry(
  clock: Clock,
  bounds: { readonly unaryMsMax: number; readonly streamMsMax: number },
  readCaller?: ReadCaller,
): OpenEntry {
  return (arrival) => {
    const { carrier, getter, timeoutMs, isStream } = arrival;
    const controller = new AbortController();
    // Every message of a stream that is in work listens; their number has a bound of its own.
    if (isStream) setMaxListeners(0, controller.signal);
    const timeoutMsMax = isStream ? bounds.streamMsMax : bounds.unaryMsMax;
    const waitMs = Math.max(0, Math.min(timeoutMs ?? timeoutMsMax, timeoutMsMax));
    const deadlineAtMs = clock.nowMs() + waitMs;
    const edge = readCaller?.(arrival);
    let isClosed = false;
    const cancelTimer = clock.at(deadlineAtMs, () => {
      if (controller.signal.aborted) return;
      controller.abort(new MeshError("deadline", `no answer within ${Math.round(waitMs)} ms`));
    });
    return {
      context: {
        signal: controller.signal,
        deadlineAtMs,
        trace: propagation.extract(ROOT_CONTEXT, carrier, getter),
        requestId: readRequestId(getter.get(carrier, "x-request-id")),
        clientIp: (edge ?? arrival).clientIp ?? "unknown",
        caller: edge?.caller,
        limitRecord: edge && { requests: [], tokens: [], isDegraded: false },
      },
      cancel() {
        // Every call ends with its caller leaving; an error is made for those who still wait.
        if (isClosed || controller.signal.aborted) return;
        controller.abort(new MeshError("cancelled", "the caller left"));
      },
      close() {
        isClosed = true;
        cancelTimer();
      },
    };
  };
}

/** A caller's own id if it is harmless to print, else a new one. */
function readRequestId(header: string | string[] | undefined): string {
  const id = Array.isArray(header) ? header[0] : header;
  return id !== undefined && /^[\w.:-]{1,128}$/.test(id) ? id : randomUUID();
}
