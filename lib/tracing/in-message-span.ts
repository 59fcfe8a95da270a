import type { CallContext } from "../rpc/call.js";
import { inSpan } from "./in-span.js";

/** Answers one message of a stream in a span of its own, below that of the stream. `index` counts from 0. */
export function inMessageSpan<T>(
  context: CallContext,
  index: number,
  answer: (context: CallContext) => Promise<T>,
): Promise<T> {
  return inSpan("message", context, (inner, span) => {
    span.set("arrowmesh.message.index", index);
    return answer(inner);
  });
}
