import { MeshError, toMeshError } from "../../lib/errors.js";
import { mapOrdered } from "../../lib/map-ordered.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { CallAbort } from "../../lib/rpc/call-signal.js";
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
  const signal = new CallAbort();
  const unfollow = signal.follow(context.signal);
  const inner = { ...context, signal };
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
    unfollow();
    signal.abort(new MeshError("cancelled", "the stream has ended"));
  }
}

type Settled<R> = { readonly answer: R } | { readonly error: MeshError };
