import { setMaxListeners } from "node:events";
import { MeshError, toMeshError } from "../../lib/errors.js";
import { mapOrdered } from "../../lib/map-ordered.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { inMessageSpan } from "../../lib/tracing/in-message-span.js";
import type { StreamOptions } from "./answer-each.js";
import { patiently } from "./patiently.js";

/**
 * Answers the messages of a stream in order, for contracts whose answers have no place for an error: the first message
 * that fails ends the stream by its error, after the answers to all before it. What is in work then is dropped.
 */
export async function* answerUntilError<Q, R>(
  requests: AsyncIterable<Q>,
  context: CallContext,
  { window, clock }: StreamOptions,
  answer: (request: Q, context: CallContext) => Promise<R>,
): AsyncGenerator<R> {
  const controller = new AbortController();
  // Every message in work listens; the window bounds their number.
  setMaxListeners(0, controller.signal);
  const follow = (): void => controller.abort(context.signal.reason);
  if (context.signal.aborted) follow();
  context.signal.addEventListener("abort", follow, { once: true });
  const inner = { ...context, signal: controller.signal };
  const settle = async (request: Q, index: number): Promise<Settled<R>> => {
    try {
      const answered = await inMessageSpan(inner, index, (own) =>
        patiently(own, clock, () => answer(request, own)),
      );
      return { answer: answered };
    } catch (thrown) {
      return { error: toMeshError(thrown) };
    }
  };
  try {
    for await (const settled of mapOrdered(requests, window, settle)) {
      if ("error" in settled) throw settled.error;
      yield settled.answer;
    }
  } finally {
    context.signal.removeEventListener("abort", follow);
    controller.abort(new MeshError("cancelled", "the stream has ended"));
  }
}

type Settled<R> = { readonly answer: R } | { readonly error: MeshError };
