import type { Model, Ran } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { Encoding } from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import type { Clock } from "../../../lib/clock.js";
import { toMeshError } from "../../../lib/errors.js";
import type { CallContext } from "../../../lib/rpc/call.js";
import { untilAborted } from "../../../lib/rpc/dispatch.js";
import type { Admission } from "../admission.js";
import type { Limiter } from "../limiter.js";
import type { Fitness, ModelDirectory } from "../model-directory.js";
import type { Encode } from "./encoding.js";
import { promptNameOf } from "./input-type.js";
import { countCharacters, requireContent, requireCount, type WorkOrder } from "./order.js";

/** Where the time of a request went, in milliseconds. */
export interface Timing {
  /** From the order to the answer. */
  readonly totalMs: number;
  readonly tokenizationMs: number;
  /** Waiting for a batch; 0 for what was remembered. */
  readonly queueMs: number;
  /** The model's run. */
  readonly computeMs: number;
}

/** What an answer cost, and which model gave it. */
export interface Usage {
  readonly model: string;
  readonly version: string;
  /** Tokens of each input, special tokens included. */
  readonly tokenCounts: readonly number[];
  /** Their sum. */
  readonly tokens: number;
  /** Unicode characters of all inputs. */
  readonly characters: number;
  readonly timing: Timing;
}

/** Inputs on their way to the model. */
export interface Tokenized {
  readonly model: Model;
  readonly sequences: readonly Encoding[];
}

/** What the model made of them. */
export interface Computed<T> {
  readonly results: T;
  readonly queueMs: number;
  readonly computeMs: number;
  /** Tokens that were computed for this request alone; undefined: all of them. */
  readonly computedTokens: number | undefined;
}

/** One operation's own part of the way. */
export interface Step<T> {
  /** Which models can do it. */
  readonly fitness: Fitness;
  /** Refuses what this model cannot do, before anything is spent. */
  readonly validate?: (model: Model) => void;
  compute(tokenized: Tokenized, context: CallContext): Promise<Computed<T>>;
}

export interface Answer<T> {
  readonly results: T;
  readonly usage: Usage;
}

export type Work = <T>(order: WorkOrder, context: CallContext, step: Step<T>) => Promise<Answer<T>>;

export interface WorkDeps {
  readonly encode: Encode;
  readonly directory: ModelDirectory;
  readonly limiter: Limiter;
  readonly admission: Admission;
  readonly clock: Clock;
}

/** A request that was admitted and paid for as one. */
interface Taken<T> {
  readonly order: WorkOrder;
  readonly context: CallContext;
  readonly step: Step<T>;
}

/** The way of every operation: take a request -> model -> tokens -> reserve them -> compute -> commit, or release. */
export function createWork({ encode, directory, limiter, admission, clock }: WorkDeps): Work {
  return async (order, context, step) => {
    const inputs = order.inputs.length;
    if (order.isPatient) await admission.enterInTurn(inputs, context.signal);
    else admission.enter(inputs, order.isAdmittedWhole);
    try {
      const name = directory.nameOf(order.model, step.fitness);
      return await limiter.withRequest(context, name, async () => {
        requireCount(order);
        return await untilAborted(onServedVersion({ order, context, step }), context.signal);
      });
    } finally {
      admission.leave(inputs);
    }
  };

  /** A version may go between being chosen and being asked; then the request runs on what took its place. */
  async function onServedVersion<T>(taken: Taken<T>): Promise<Answer<T>> {
    const { order, step } = taken;
    const choose = () => directory.resolve(order.model, order.version, step.fitness);
    const model = await choose();
    try {
      return await run(taken, model);
    } catch (thrown) {
      if (toMeshError(thrown).fault !== "not_found") throw thrown;
      await directory.refresh();
      const next = await choose();
      if (next.name === model.name && next.version === model.version) throw thrown;
      return await run(taken, next);
    }
  }

  async function run<T>({ order, context, step }: Taken<T>, model: Model): Promise<Answer<T>> {
    const startedAtMs = clock.nowMs();
    step.validate?.(model);
    requireContent(order.inputs);
    const promptName = order.promptName ?? promptNameOf(order.inputType, model.promptNames);
    const { inputs, truncate, truncationSide, tokensMax, isSpecialAdded } = order;
    const wanted = { inputs, truncate, truncationSide, tokensMax, promptName, isSpecialAdded };
    const sequences = await encode(wanted, model, context);
    const tokenizationMs = clock.nowMs() - startedAtMs;
    const tokenCounts = sequences.map(({ ids }) => ids.length);
    const tokens = tokenCounts.reduce((total, count) => total + count, 0);

    const reservation = await limiter.reserveTokens(tokens, context, model.name);
    try {
      const computed = await step.compute({ model, sequences }, context);
      const { results, queueMs, computeMs } = computed;
      reservation.commit(computed.computedTokens);
      const totalMs = clock.nowMs() - startedAtMs;
      const usage: Usage = {
        model: model.name,
        version: model.version,
        tokenCounts,
        tokens,
        characters: countCharacters(order.inputs),
        timing: { totalMs, tokenizationMs, queueMs, computeMs },
      };
      return { results, usage };
    } catch (error) {
      reservation.release();
      throw error;
    }
  }
}

/** What an inference call answered, as the outcome of a step. */
export function toComputed<T>(
  results: T,
  ran: Ran | undefined,
  computedTokens?: number,
): Computed<T> {
  const { queueMs = 0, computeMs = 0 } = ran ?? {};
  return { results, queueMs, computeMs, computedTokens };
}

/** The part of an inference call that says which model, for whom and how urgent. */
export function jobOf(
  { name, version }: Model,
  { priority }: Pick<WorkOrder, "priority">,
  { clientIp }: CallContext,
) {
  return { model: name, version, priority, caller: `ip:${clientIp}` };
}
