import { ROOT_CONTEXT } from "@opentelemetry/api";
import type { CallContext } from "../../lib/rpc/call.js";

/** A context as an entry would make it, for calls that tests make themselves. */
export function callContext(over: Partial<CallContext> = {}): CallContext {
  return {
    signal: new AbortController().signal,
    deadlineAtMs: performance.now() + 30_000,
    trace: ROOT_CONTEXT,
    requestId: "test",
    clientIp: "192.0.2.1",
    ...over,
  };
}
