import type { Clock } from "../../../lib/clock.js";
import { type MeshError, toMeshError } from "../../../lib/errors.js";
import type { CallContext } from "../../../lib/rpc/call.js";
import type { ModelDirectory } from "../model-directory.js";
import type { Operation } from "./describe-work.js";
import type { Usage, Work } from "./work.js";

/** What a request wants of a model: numbers for texts, or scores. */
export type WorkKind = "embed" | "predict";

const kindOf: Readonly<Record<Operation, WorkKind>> = {
  embed: "embed",
  embed_tokens: "embed",
  embed_sparse: "embed",
  classify: "predict",
};

/** A request for a model that was answered, whatever its protocol. */
export interface AnsweredWork {
  readonly kind: WorkKind;
  readonly usage: Usage;
  /** From the request's arrival at the work to its answer, its waits for room and for limits included. */
  readonly requestMs: number;
  /** Whether the model ran for it; false for what was remembered or computed for others. */
  readonly isComputed: boolean;
  readonly context: CallContext;
  /** Names its trace, where somebody can look at it. */
  readonly exemplarId: string | undefined;
}

/** One that failed. */
export interface FailedWork {
  readonly kind: WorkKind;
  /** Name of a model that is served; empty when the request meant none of them. */
  readonly model: string;
  readonly inputs: number;
  /** The most that it may have had. */
  readonly inputsMax: number;
  readonly error: MeshError;
}

/** Hears of every request for a model. */
export interface WorkCounts {
  answered(work: AnsweredWork): void;
  failed(work: FailedWork): void;
}

/**
 * Tells how each request ends. Interceptors count calls; here are counted the requests in them, of which a stream has
 * many.
 */
export function countWork(
  work: Work,
  deps: {
    readonly counts: WorkCounts;
    readonly directory: Pick<ModelDirectory, "nameOf">;
    readonly clock: Clock;
  },
): Work {
  const { counts, directory, clock } = deps;
  return async (order, context, step) => {
    const kind = kindOf[step.operation];
    const arrivedAtMs = clock.nowMs();
    try {
      const answer = await work(order, context, step);
      const { usage, isComputed } = answer;
      const answeredAtMs = clock.nowMs();
      const requestMs = answeredAtMs - arrivedAtMs;
      const exemplarId = context.trace.exemplarId(undefined, answeredAtMs);
      counts.answered({ kind, usage, isComputed, requestMs, context, exemplarId });
      return answer;
    } catch (thrown) {
      const { inputs, inputsMax } = order;
      const model = directory.nameOf(order.model, step.fitness);
      const error = toMeshError(thrown);
      counts.failed({ kind, model, inputs: inputs.length, inputsMax, error });
      throw thrown;
    }
  };
}
