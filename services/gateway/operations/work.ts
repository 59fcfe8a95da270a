import type { Model, Ran } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { Encoding } from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import type { Clock } from "../../../lib/clock.js";
import { toMeshError } from "../../../lib/errors.js";
import type { CallContext } from "../../../lib/rpc/call.js";
import type { CallRecord } from "../../../lib/rpc/call-record.js";
import { untilAborted } from "../../../lib/rpc/dispatch.js";
import { inSpan } from "../../../lib/tracing/in-span.js";
import type { Admission } from "../admission.js";
import type { Limiter } from "../limiter.js";
import type { Fitness, ModelDirectory } from "../model-directory.js";
import { describeModel, describeOrder, type Operation } from "./describe-work.js";
import type { Encode } from "./encoding.js";
import { inPostprocessing } from "./in-postprocessing.js";
import { inTokenization, tokensOfAll } from "./in-tokenization.js";
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
export interface Computed<C> {
  readonly numbers: C;
  readonly queueMs: number;
  readonly computeMs: number;
  /** Tokens that were computed for this request alone; undefined: all of them. */
  readonly computedTokens: number | undefined;
}

/** One operation's own part of the way. */
export interface Step<C, T> {
  readonly operation: Operation;
  /** Which models can do it. */
  readonly fitness: Fitness;
  /** Refuses what this model cannot do, before anything is spent. */
  readonly validate?: (model: Model) => void;
  compute(tokenized: Tokenized, context: CallContext): Promise<Computed<C>>;
  /** Makes results of the model's numbers. */
  finish(numbers: C, tokenized: Tokenized): T;
}

export interface Answer<T> {
  readonly results: T;
  readonly usage: Usage;
  /** Whether the model ran for this request; false for what was remembered, or computed for others. */
  readonly isComputed: boolean;
}

export type Work = <C, T>(
  order: WorkOrder,
  context: CallContext,
  step: Step<C, T>,
) => Promise<Answer<T>>;

export interface WorkDeps {
  readonly encode: Encode;
  readonly directory: ModelDirectory;
  readonly limiter: Limiter;
  readonly admission: Admission;
  readonly clock: Clock;
}

/** A request that was admitted and paid for as one. */
interface Taken<C, T> {
  readonly order: WorkOrder;
  readonly context: CallContext;
  readonly step: Step<C, T>;
  /** Name of the model that is meant, as far as it is known yet. */
  readonly model: string;
}

/** The way of every operation: take a request -> model -> tokens -> reserve them -> compute -> commit, or release. */
export function createWork({ encode, directory, limiter, admission, clock }: WorkDeps): Work {
  return (order, context, step) =>
    inSpan("predict", context, async (inner, span) => {
      const { formats, inputs } = order;
      const model = directory.nameOf(order.model, step.fitness);
      describeOrder(span, step.operation, { model, formats, inputs: inputs.length });
      const answer = await admitted({ order, context: inner, step, model });
      describeModel(span, answer.usage);
      span.set("gen_ai.usage.input_tokens", answer.usage.tokens);
      return answer;
    });

  async function admitted<C, T>(taken: Taken<C, T>): Promise<Answer<T>> {
    const { order, context, model } = taken;
    const inputs = order.inputs.length;
    if (order.isPatient) await admission.enterInTurn(inputs, context.signal);
    else admission.enter(inputs, order.isAdmittedWhole);
    try {
      return await limiter.withRequest(context, model, async () => {
        requireCount(order);
        return await untilAborted(onServedVersion(taken), context.signal);
      });
    } finally {
      admission.leave(inputs);
    }
  }

  /** A version may go between being chosen and being asked; then the request runs on what took its place. */
  async function onServedVersion<C, T>(taken: Taken<C, T>): Promise<Answer<T>> {
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

  async function run<C, T>(
    { order, context, step }: Taken<C, T>,
    model: Model,
  ): Promise<Answer<T>> {
    const startedAtMs = clock.nowMs();
    step.validate?.(model);
    requireContent(order.inputs);
    const promptName = order.promptName ?? promptNameOf(order.inputType, model.promptNames);
    const { inputs, truncate, truncationSide, tokensMax, isSpecialAdded } = order;
    const wanted = { inputs, truncate, truncationSide, tokensMax, promptName, isSpecialAdded };
    const sequences = await inTokenization(
      context,
      inputs.length,
      (inner) => encode(wanted, model, inner),
      tokensOfAll,
    );
    const tokenizationMs = clock.nowMs() - startedAtMs;
    const tokenCounts = sequences.map(({ ids }) => ids.length);
    const tokens = tokenCounts.reduce((total, count) => total + count, 0);

    const reservation = await limiter.reserveTokens(tokens, context, model.name);
    try {
      const tokenized = { model, sequences };
      const computed = await step.compute(tokenized, context);
      const { numbers, queueMs, computeMs } = computed;
      const results = inPostprocessing(context, () => step.finish(numbers, tokenized));
      reservation.commit(computed.computedTokens);
      const totalMs = clock.nowMs() - startedAtMs;
      const { name, version } = model;
      const timing = { totalMs, tokenizationMs, queueMs, computeMs };
      const characters = countCharacters(order.inputs);
      const usage: Usage = { model: name, version, tokenCounts, tokens, characters, timing };
      recordUsage(context.callRecord, usage);
      return { results, usage, isComputed: computed.computedTokens !== 0 };
    } catch (error) {
      reservation.release();
      throw error;
    }
  }
}

function recordUsage(record: CallRecord | undefined, usage: Usage): void {
  if (record === undefined) return;
  record.model = usage.model;
  record.version = usage.version;
  record.inputs += usage.tokenCounts.length;
  record.tokens += usage.tokens;
  record.tokenizationMs += usage.timing.tokenizationMs;
  record.queueMs += usage.timing.queueMs;
  record.computeMs += usage.timing.computeMs;
}

/** What an inference call answered, as the outcome of a step. */
export function toComputed<C>(
  numbers: C,
  ran: Ran | undefined,
  computedTokens?: number,
): Computed<C> {
  const { queueMs = 0, computeMs = 0 } = ran ?? {};
  return { numbers, queueMs, computeMs, computedTokens };
}

/** The part of an inference call that says which model, for whom and how urgent. */
export function jobOf(
  { name, version }: Model,
  { priority }: Pick<WorkOrder, "priority">,
  { clientIp }: CallContext,
) {
  return { model: name, version, priority, caller: `ip:${clientIp}` };
}
