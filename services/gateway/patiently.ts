import { type Clock, sleep } from "../../lib/clock.js";
import { type MeshError, toMeshError } from "../../lib/errors.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { untilAborted } from "../../lib/rpc/dispatch.js";

/** How long a stream waits when a service is busy and does not say. */
const busyWaitMs = 100;

/**
 * For the messages of streams: comes back when a limit or a busy service says so, where a single request would be refused.
 * (Room at the gateway itself is waited for in turn: `Admission`.) It ends with the stream, whose deadline bounds the wait.
 */
export async function patiently<T>(
  { signal }: Pick<CallContext, "signal">,
  clock: Clock,
  work: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (thrown) {
      const error = toMeshError(thrown);
      if (!isPassing(error) || signal.aborted) throw error;
      await untilAborted(sleep(clock, error.details.retryAfterMs ?? busyWaitMs), signal);
    }
  }
}

/** A limit that does not say when it allows more never will. */
function isPassing({ fault, details }: MeshError): boolean {
  return fault === "overloaded" || (fault === "limited" && details.retryAfterMs !== undefined);
}
