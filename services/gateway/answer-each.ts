import type { Clock } from "../../lib/clock.js";
import { answerEach as answerEachOf, type StreamAnswer } from "../../lib/rpc/answer-each.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { patiently } from "./patiently.js";

/** Whether a message is a request of its own or one of a stream, which goes after others and waits instead of failing. */
export type Form = "single" | "streamed";

/** What a stream is served with. */
export interface StreamOptions {
  /** Messages in work at once. */
  readonly window: number;
  readonly clock: Clock;
}

/** Answers the messages of a stream in order, each patiently. */
export function answerEach<Q, R>(
  requests: AsyncIterable<Q>,
  context: CallContext,
  { window, clock }: StreamOptions,
  answer: (request: Q, context: CallContext) => Promise<R>,
): AsyncGenerator<StreamAnswer<R>> {
  return answerEachOf(requests, { window, context }, (request, inner) =>
    patiently(inner, clock, () => answer(request, inner)),
  );
}
