import type { Status } from "../../gen/google/rpc/status_pb.js";
import { MeshError, toMeshError } from "../errors.js";
import { mapOrdered } from "../map-ordered.js";
import { inMessageSpan } from "../tracing/in-message-span.js";
import type { CallContext } from "./call.js";
import { recordFailure } from "./call-record.js";
import { toStatus } from "./status.js";

/** An answer of a stream: where its message stood, and what became of it. */
export interface StreamAnswer<R> {
  readonly index: bigint;
  readonly result: R | { readonly case: "error"; readonly value: Status };
}

/**
 * Answers the messages of a stream in order, up to `window` at once. What goes wrong with one is its own answer, and the
 * stream goes on.
 */
export function answerEach<Q, R>(
  requests: AsyncIterable<Q>,
  { window, context }: { readonly window: number; readonly context: CallContext },
  answer: (request: Q, context: CallContext) => Promise<R>,
): AsyncGenerator<StreamAnswer<R>> {
  return mapOrdered(requests, window, async (request, place) => {
    const index = BigInt(place);
    try {
      const result = await inMessageSpan(context, place, (inner) => answer(request, inner));
      return { index, result };
    } catch (thrown) {
      const error = toMeshError(thrown);
      recordFailure(context.callRecord, error);
      return { index, result: { case: "error", value: toStatus(error, context.requestId) } };
    }
  });
}

/** The request inside a message of a stream, which has nothing else to say. */
export function requireSet<T>(request: T | undefined): T {
  if (request === undefined) throw new MeshError("empty", "request is not set");
  return request;
}
