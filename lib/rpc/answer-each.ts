import type { Status } from "../../gen/google/rpc/status_pb.js";
import { MeshError, toMeshError } from "../errors.js";
import { mapOrdered } from "../map-ordered.js";
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
  { window, requestId }: { readonly window: number; readonly requestId: string },
  answer: (request: Q) => Promise<R>,
): AsyncGenerator<StreamAnswer<R>> {
  return mapOrdered(requests, window, async (request, place) => {
    const index = BigInt(place);
    try {
      return { index, result: await answer(request) };
    } catch (thrown) {
      return { index, result: { case: "error", value: toStatus(toMeshError(thrown), requestId) } };
    }
  });
}

/** The request inside a message of a stream, which has nothing else to say. */
export function requireSet<T>(request: T | undefined): T {
  if (request === undefined) throw new MeshError("empty", "request is not set");
  return request;
}
