import { randomUUID } from "node:crypto";
import type { TextMapGetter } from "@opentelemetry/api";
import type { Clock } from "../clock.js";
import { MeshError } from "../errors.js";
import type { Redact } from "../logging/redactor.js";
import { noTracing, type Tracing } from "../tracing/tracing.js";
import type { CallContext, CallerFacts } from "./call.js";
import { createCallRecord } from "./call-record.js";
import { CallAbort } from "./call-signal.js";

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

export interface EntryOptions {
  /** The bounds hold for callers that ask for more time, or for none. */
  readonly unaryMsMax: number;
  readonly streamMsMax: number;
  /** The role that answers. */
  readonly role?: string;
  readonly tracing?: Tracing;
  /** Only the edge asks who calls. */
  readonly readCaller?: ReadCaller;
  /** Knows the secrets of the process. */
  readonly redact?: Redact;
}

/** Every call of a process enters through one of these. */
export function createOpenEntry(
  clock: Clock,
  {
    unaryMsMax,
    streamMsMax,
    role = "gateway",
    tracing = noTracing,
    readCaller,
    redact,
  }: EntryOptions,
): OpenEntry {
  const isCallerInMesh = readCaller === undefined;
  return (arrival) => {
    const { carrier, getter, timeoutMs, isStream } = arrival;
    const signal = new CallAbort();
    const timeoutMsMax = isStream ? streamMsMax : unaryMsMax;
    const waitMs = Math.max(0, Math.min(timeoutMs ?? timeoutMsMax, timeoutMsMax));
    const deadlineAtMs = clock.nowMs() + waitMs;
    const edge = readCaller?.(arrival);
    let isClosed = false;
    const cancelTimer = clock.at(deadlineAtMs, () => {
      signal.abort(new MeshError("deadline", `no answer within ${Math.round(waitMs)} ms`));
    });
    return {
      context: {
        signal,
        deadlineAtMs,
        trace: tracing.enter({ carrier, getter, role, isCallerInMesh }),
        requestId: readRequestId(getter.get(carrier, "x-request-id"), redact),
        clientIp: (edge ?? arrival).clientIp ?? "unknown",
        caller: edge?.caller,
        callRecord: createCallRecord(edge?.caller),
      },
      cancel() {
        // Every call ends with its caller leaving; an error is made for those who still wait.
        if (isClosed || signal.aborted) return;
        signal.abort(new MeshError("cancelled", "the caller left"));
      },
      close() {
        isClosed = true;
        cancelTimer();
      },
    };
  };
}

/** Names of a call by which its caller finds it again: in the log and, where traces are on, among them. */
export function tellIds(context: CallContext, set: (header: string, value: string) => void): void {
  const { requestId, trace } = context;
  set("x-request-id", requestId);
  if (trace.traceId !== undefined) set("x-trace-id", trace.traceId);
}

/** A caller's own id if it is harmless to print, else a new one. */
function readRequestId(header: string | string[] | undefined, redact?: Redact): string {
  const id = Array.isArray(header) ? header[0] : header;
  if (id === undefined || !/^[\w.:-]{1,128}$/.test(id)) return randomUUID();
  return redact === undefined || redact(id) === id ? id : randomUUID();
}
