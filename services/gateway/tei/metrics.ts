import { exponentialBuckets, type Registry } from "prom-client";
import type { Clock } from "../../../lib/clock.js";
import type { Fault } from "../../../lib/errors.js";
import { LightHistogram, type Series } from "../../../lib/light-histogram.js";
import { registerNumber, registerNumbers } from "../../../lib/metrics/register.js";
import type { Timing } from "../operations/work.js";
import type { FailedWork, WorkCounts, WorkKind } from "../operations/work-counts.js";

/** As there: 35 bounds, each half as much again as the one before. */
const durationBuckets = exponentialBuckets(1e-5 * 1.5, 1.5, 35);
const lengthBuckets = exponentialBuckets(1, 2, 14);

interface Platform {
  readonly registry: Registry;
  readonly clock: Clock;
}

/**
 * Requests for a model under the names of text-embeddings-inference, whatever their protocol, so that dashboards made
 * for it show this server as well. Each request is counted once, and each of its inputs once.
 */
export function createTeiMetrics(platform: Platform): WorkCounts {
  const { registry } = platform;
  const counts = { single: 0, batch: 0 };
  const successes = { single: 0, batch: 0 };
  const failures: Record<string, number> = {};
  const numbers = (
    name: string,
    help: string,
    label: string,
    of: Readonly<Record<string, number>>,
  ): void => registerNumbers(registry, { name, help, label, type: "counter", read: () => of });
  numbers("te_request_count", "Requests, of one input or of a batch.", "method", counts);
  numbers("te_request_success", "Requests that were answered.", "method", successes);
  numbers("te_request_failure", "Requests that failed, by what was wrong.", "err", failures);
  const lengths = new LightHistogram({
    name: "te_request_input_length",
    help: "Tokens of an input.",
    buckets: lengthBuckets,
    ...platform,
  }).series();
  const requests = createTimers(platform, "te_request", "a request");
  const inputs = {
    embed: countInputs(platform, "embed"),
    predict: countInputs(platform, "predict"),
  };
  return {
    answered({ kind, usage: { tokenCounts, timing }, exemplarId }) {
      const method = methodOf(tokenCounts.length);
      counts[method] += 1;
      successes[method] += 1;
      for (const count of tokenCounts) lengths.observe(count);
      requests.observe(timing, 1, exemplarId);
      inputs[kind].answered(timing, tokenCounts.length, exemplarId);
    },
    failed(work) {
      counts[methodOf(work.inputs)] += 1;
      const reason = reasonOf(work);
      failures[reason] = (failures[reason] ?? 0) + 1;
      if (hasReachedModel(work)) inputs[work.kind].failed(work.inputs);
    },
  };
}

function methodOf(inputs: number): "single" | "batch" {
  return inputs > 1 ? "batch" : "single";
}

/** What it counts of each input that goes to a model. */
function countInputs(platform: Platform, kind: WorkKind) {
  const { registry } = platform;
  const counts = { begun: 0, answered: 0 };
  const total = (name: string, help: string, read: () => number): void =>
    registerNumber(registry, { name: `te_${kind}_${name}`, help, type: "counter", read });
  total("count", "Inputs that a model was asked for.", () => counts.begun);
  total("success", "Inputs that were answered.", () => counts.answered);
  const timers = createTimers(platform, `te_${kind}`, "an input, as of its whole request");
  return {
    answered(timing: Timing, inputs: number, exemplarId: string | undefined): void {
      counts.begun += inputs;
      counts.answered += inputs;
      timers.observe(timing, inputs, exemplarId);
    },
    failed(inputs: number): void {
      counts.begun += inputs;
    },
  };
}

function createTimers(platform: Platform, prefix: string, whose: string) {
  const timer = (name: string, what: string): Series =>
    new LightHistogram({
      name: `${prefix}_${name}`,
      help: `${what} of ${whose}, in seconds.`,
      buckets: durationBuckets,
      ...platform,
    }).series();
  const [total, tokenization] = [
    timer("duration", "Time"),
    timer("tokenization_duration", "Time of the tokenization"),
  ];
  const [queue, inference] = [
    timer("queue_duration", "Wait for a batch"),
    timer("inference_duration", "Time of the model's run"),
  ];
  return {
    observe(timing: Timing, times: number, exemplarId: string | undefined): void {
      total.observeTimes(timing.totalMs / 1_000, times, exemplarId);
      tokenization.observeTimes(timing.tokenizationMs / 1_000, times, exemplarId);
      queue.observeTimes(timing.queueMs / 1_000, times, exemplarId);
      inference.observeTimes(timing.computeMs / 1_000, times, exemplarId);
    },
  };
}

/** Its words for what went wrong; what it has no word for failed in the backend. */
function reasonOf({ error, inputs, inputsMax }: FailedWork): string {
  if (error.fault === "invalid" && inputs > inputsMax) return "batch_size";
  return reasons[error.fault] ?? "inference";
}

const reasons: Readonly<Partial<Record<Fault, string>>> = {
  empty: "validation",
  invalid: "validation",
  malformed: "validation",
  too_large: "validation",
  not_found: "validation",
  wrong_task: "model_type",
  limited: "overloaded",
  overloaded: "overloaded",
  cancelled: "dropped",
};

const beforeTheModel: ReadonlySet<Fault> = new Set([
  "wrong_task",
  "not_found",
  "limited",
  "overloaded",
]);

function hasReachedModel({ error }: FailedWork): boolean {
  return !beforeTheModel.has(error.fault);
}
