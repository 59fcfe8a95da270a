import { Counter, exponentialBuckets, Gauge, type Registry } from "prom-client";
import { type Fault, toMeshError } from "../../../lib/errors.js";
import { LightHistogram } from "../../../lib/light-histogram.js";
import type { Usage } from "../operations/work.js";
import type { Written } from "./actions.js";

/** Watches requests of these routes under the metric names of text-embeddings-inference. */
export type Measure = (answering: Promise<Written>) => Promise<Written>;

/** From 10 us on, as there. */
const durationBuckets = exponentialBuckets(1e-5, 1.5, 35);
const lengthBuckets = exponentialBuckets(1, 2, 14);

/** So that dashboards made for text-embeddings-inference show this server as well. */
export function createTeiMetrics(registry: Registry, queueSize: () => number): Measure {
  const registers = [registry];
  const counter = <T extends string>(name: string, help: string, labelNames: T[]) =>
    new Counter({ name: `te_request_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: readonly number[]) =>
    new LightHistogram({ name: `te_request_${name}`, help, buckets, registry }).series();

  const counts = counter("count", "Requests, of one input or of a batch.", ["method"]);
  const successes = counter("success", "Requests that were answered.", ["method"]);
  const failures = counter("failure", "Requests that failed, by what was wrong.", ["err"]);
  const lengths = histogram("input_length", "Tokens of an input.", lengthBuckets);
  const durations = [
    ["duration", "a request", "totalMs"],
    ["tokenization_duration", "tokenization", "tokenizationMs"],
    ["queue_duration", "the wait for a batch", "queueMs"],
    ["inference_duration", "the model's run", "computeMs"],
  ] as const;
  const timers = durations.map(([name, what, field]) => {
    const timer = histogram(name, `Time of ${what}, in seconds.`, durationBuckets);
    return ({ timing }: Usage): void => timer.observe(timing[field] / 1_000);
  });
  new Gauge({
    name: "te_queue_size",
    help: "Inputs in work.",
    registers,
    collect() {
      this.set(queueSize());
    },
  });

  const record = (usage: Usage | undefined): void => {
    const method = (usage?.tokenCounts.length ?? 1) > 1 ? "batch" : "single";
    counts.inc({ method });
    successes.inc({ method });
    if (usage === undefined) return;
    for (const count of usage.tokenCounts) lengths.observe(count);
    for (const observe of timers) observe(usage);
  };
  return async (answering) => {
    try {
      const written = await answering;
      record(written.usage);
      return written;
    } catch (error) {
      counts.inc({ method: "single" });
      failures.inc({ err: reasonOf[toMeshError(error).fault] ?? "inference" });
      throw error;
    }
  };
}

const reasonOf: Readonly<Partial<Record<Fault, string>>> = {
  empty: "validation",
  invalid: "validation",
  malformed: "validation",
  wrong_task: "model_type",
  limited: "overloaded",
  overloaded: "overloaded",
  cancelled: "dropped",
};
