import type { CallContext } from "../../lib/rpc/call.js";
import { noSpan } from "../../lib/tracing/span.js";

/** A context as an entry would make it, for calls that tests make themselves. */
export function callContext(over: Partial<CallContext> = {}): CallContext {
  return {
    signal: new AbortController().signal,
    deadlineAtMs: performance.now() + 30_000,
    trace: noSpan,
    requestId: "test",
    clientIp: "192.0.2.1",
    ...over,
  };
}
