import type { CallContext } from "../../../lib/rpc/call.js";
import { inSpan } from "../../../lib/tracing/in-span.js";

/** Texts of a request on their way to tokens, or back, in a span that says how many there were of each. */
export function inTokenization<T>(
  context: CallContext,
  inputs: number,
  work: (context: CallContext) => Promise<T>,
  tokensOf: (result: T) => number,
): Promise<T> {
  return inSpan("tokenization", context, async (inner, span) => {
    span.set("arrowmesh.inputs", inputs);
    const result = await work(inner);
    if (span.isRecording) span.set("arrowmesh.tokens", tokensOf(result));
    return result;
  });
}

/** Tokens of all encodings. */
export function tokensOfAll(encodings: readonly { readonly ids: readonly number[] }[]): number {
  return encodings.reduce((total, { ids }) => total + ids.length, 0);
}
