import { toMeshError } from "../errors.js";
import {
  type ActiveCall,
  beginCall,
  type CallInfo,
  type Interceptor,
} from "../interceptors/interceptor.js";
import type { CallContext } from "./call.js";
import type { CallSignal } from "./call-signal.js";

interface Dispatched {
  readonly interceptors: readonly Interceptor[];
  readonly info: CallInfo;
  readonly context: CallContext;
}

/** Runs one call that answers once, inside its interceptors. Rejects with a MeshError, at the deadline at the latest. */
export function dispatchUnary<T>(
  call: Dispatched,
  handle: (context: CallContext) => Promise<T> | T,
): Promise<T> {
  return dispatchLocal(call, (context) => untilAborted(handle(context), context.signal));
}

/** The same for a call within the process, whose caller watches the deadline already. */
export async function dispatchLocal<T>(
  call: Dispatched,
  handle: (context: CallContext) => Promise<T> | T,
): Promise<T> {
  const active = beginCall(call.interceptors, call.info, call.context);
  try {
    const response = await handle(active.context);
    active.end();
    return response;
  } catch (thrown) {
    throw endWith(active, thrown);
  }
}

/** Runs one call that answers with a stream. The call ends when the stream does: completed, failed or left. */
export async function* dispatchStream<T>(
  call: Dispatched,
  handle: (context: CallContext) => AsyncIterable<T>,
): AsyncGenerator<T> {
  const active = beginCall(call.interceptors, call.info, call.context);
  const { signal } = active.context;
  const messages = handle(active.context)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const { done, value } = await untilAborted(messages.next(), signal);
      if (done === true) break;
      yield value;
    }
    active.end();
  } catch (thrown) {
    throw endWith(active, thrown);
  } finally {
    // Reached without `end` when the reader went away; the handler may still be waiting for its source.
    active.end();
    void messages.return?.()?.catch(() => undefined);
  }
}

function endWith(active: ActiveCall, thrown: unknown): Error {
  const error = toMeshError(thrown);
  active.end(error);
  return error;
}

/** A handler that does not watch its signal must not hold the caller past the deadline. */
export function untilAborted<T>(work: Promise<T> | T, signal: CallSignal): Promise<T> | T {
  if (!(work instanceof Promise)) return work;
  if (signal.aborted) {
    // The work goes on without an audience; its failure has nobody to tell.
    work.catch(() => undefined);
    throw signal.reason;
  }
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort, { once: true });
    work.then(
      (result) => {
        signal.removeEventListener("abort", onAbort);
        resolve(result);
      },
      (error) => {
        signal.removeEventListener("abort", onAbort);
        reject(error);
      },
    );
  });
}
