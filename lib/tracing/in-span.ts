import { toMeshError } from "../errors.js";
import { type CallContext, withTrace } from "../rpc/call.js";
import type { Span, SpanOptions } from "./span.js";

/** Does work in a span of its own: what the work begins is below it, and its failure is the span's too. */
export async function inSpan<T>(
  name: string,
  context: CallContext,
  work: (context: CallContext, span: Span) => Promise<T>,
  options?: SpanOptions,
): Promise<T> {
  const { trace } = context;
  if (!trace.isRecording) return await work(context, trace);
  const span = trace.begin(name, options);
  try {
    const result = await work(withTrace(context, span), span);
    span.end();
    return result;
  } catch (thrown) {
    span.end(toMeshError(thrown));
    throw thrown;
  }
}
