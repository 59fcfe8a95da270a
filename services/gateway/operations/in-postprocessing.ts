import { toMeshError } from "../../../lib/errors.js";
import type { CallContext } from "../../../lib/rpc/call.js";

/** Makes results of a model's numbers, in a span. */
export function inPostprocessing<T>({ trace }: Pick<CallContext, "trace">, work: () => T): T {
  const span = trace.begin("postprocessing");
  try {
    const results = work();
    span.end();
    return results;
  } catch (thrown) {
    span.end(toMeshError(thrown));
    throw thrown;
  }
}
