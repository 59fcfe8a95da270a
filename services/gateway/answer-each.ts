import type { Status } from "../../gen/google/rpc/status_pb.js";
import type { Clock } from "../../lib/clock.js";
import { toMeshError } from "../../lib/errors.js";
import { mapOrdered } from "../../lib/map-ordered.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { toStatus } from "../../lib/rpc/status.js";
import { patiently } from "./patiently.js";

/** Whether a message is a request of its own or one of a stream, which goes after others and waits instead of failing. */
export type Form = "single" | "streamed";

/** What a stream is served with. */
export interface StreamOptions {
  /** Messages in work at once. */
  readonly window: number;
  readonly clock: Clock;
}

/** An answer of a stream: where its message stood, and what became of it. */
export interface StreamAnswer<R> {
  readonly index: bigint;
  readonly result: R | { readonly case: "error"; readonly value: Status };
}

/** Answers the messages of a stream in order. What goes wrong with one is its own answer, and the stream goes on. */
export function answerEach<Q, R>(
  requests: AsyncIterable<Q>,
  context: CallContext,
  { window, clock }: StreamOptions,
  answer: (request: Q) => Promise<R>,
): AsyncGenerator<StreamAnswer<R>> {
  return mapOrdered(requests, window, async (request, place) => {
    const index = BigInt(place);
    try {
      return { index, result: await patiently(context, clock, () => answer(request)) };
    } catch (thrown) {
      const value = toStatus(toMeshError(thrown), context.requestId);
      return { index, result: { case: "error", value } };
    }
  });
}
