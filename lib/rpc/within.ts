import type { Clock } from "../clock.js";
import type { MeshError } from "../errors.js";
import type { CallContext } from "./call.js";
import { CallAbort } from "./call-signal.js";
import { untilAborted } from "./dispatch.js";

/** Runs part of a call under a shorter time of its own: when that is over, it fails and its signal aborts, both by `error`. */
export async function within<T>(
  context: CallContext,
  limit: { readonly ms: number; readonly clock: Clock; readonly error: () => MeshError },
  work: (context: CallContext) => Promise<T>,
): Promise<T> {
  const signal = new CallAbort();
  const unfollow = signal.follow(context.signal);
  const cancel = limit.clock.at(limit.clock.nowMs() + limit.ms, () => signal.abort(limit.error()));
  try {
    // The deadline stays: the next hop would answer it in its own words before the signal does in these.
    return await untilAborted(work({ ...context, signal }), signal);
  } finally {
    cancel();
    unfollow();
  }
}
