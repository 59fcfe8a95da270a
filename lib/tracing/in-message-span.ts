import { inSpan } from "./in-span.js";
import type { Span } from "./span.js";

/** Answers one message of a stream in a span of its own, below that of the stream. `index` counts from 0. */
export function inMessageSpan<C extends { readonly trace: Span }, T>(
  context: C,
  index: number,
  answer: (context: C) => Promise<T>,
): Promise<T> {
  return inSpan("message", context, (inner, span) => {
    span.set("arrowmesh.message.index", index);
    return answer(inner);
  });
}
