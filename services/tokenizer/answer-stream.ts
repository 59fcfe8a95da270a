import { toMeshError } from "../../lib/errors.js";
import { answerEach, requireSet, type StreamAnswer } from "../../lib/rpc/answer-each.js";
import type { CallContext } from "../../lib/rpc/call.js";
import type { CallSignal } from "../../lib/rpc/call-signal.js";
import type { WaitingBound } from "./waiting-bound.js";

/**
 * Answers the requests of a stream in order, up to `window` at once. What goes wrong with a request is its own answer;
 * only overload, for which a call of its own would be refused, makes the stream wait.
 */
export function answerStream<Q, R>(
  requests: AsyncIterable<{ readonly request?: Q | undefined }>,
  options: { readonly window: number; readonly bound: WaitingBound; readonly context: CallContext },
  answer: (request: Q) => Promise<R>,
): AsyncGenerator<StreamAnswer<R>> {
  const { window, bound, context } = options;
  const { signal } = context;
  return answerEach(requests, { window, context }, ({ request }) => {
    const given = requireSet(request);
    return answerPatiently(() => answer(given), bound, signal);
  });
}

/** Ends with the stream's own deadline. */
async function answerPatiently<R>(
  answer: () => Promise<R>,
  bound: WaitingBound,
  signal: CallSignal,
): Promise<R> {
  for (;;) {
    await bound.room(signal);
    try {
      return await answer();
    } catch (thrown) {
      if (toMeshError(thrown).fault !== "overloaded" || signal.aborted) throw thrown;
    }
  }
}
