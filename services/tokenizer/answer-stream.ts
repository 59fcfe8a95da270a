import type { MessageInitShape } from "@bufbuild/protobuf";
import type { StatusSchema } from "../../gen/google/rpc/status_pb.js";
import { MeshError, toMeshError } from "../../lib/errors.js";
import { mapOrdered } from "../../lib/map-ordered.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { toStatus } from "../../lib/rpc/status.js";
import type { WaitingBound } from "./waiting-bound.js";

/** An answer of a stream: where its request stood, and what became of it. */
export interface StreamAnswer<R> {
  readonly index: bigint;
  readonly result:
    | R
    | { readonly case: "error"; readonly value: MessageInitShape<typeof StatusSchema> };
}

/**
 * Answers the requests of a stream in order, up to `window` at once. What goes wrong with a request is its own answer;
 * only overload, for which a call of its own would be refused, makes the stream wait.
 */
export function answerStream<Q, R>(
  requests: AsyncIterable<{ readonly request?: Q | undefined }>,
  options: { readonly window: number; readonly bound: WaitingBound; readonly context: CallContext },
  answer: (request: Q) => Promise<R>,
): AsyncIterable<StreamAnswer<R>> {
  const { signal, requestId } = options.context;
  return mapOrdered(requests, options.window, async ({ request }, place) => {
    const index = BigInt(place);
    try {
      if (request === undefined) throw new MeshError("empty", "request is not set");
      return { index, result: await answerPatiently(() => answer(request), options.bound, signal) };
    } catch (thrown) {
      return { index, result: { case: "error", value: toStatus(toMeshError(thrown), requestId) } };
    }
  });
}

/** Ends with the stream's own deadline. */
async function answerPatiently<R>(
  answer: () => Promise<R>,
  bound: WaitingBound,
  signal: AbortSignal,
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
