import { Counter, Gauge, Histogram, type Registry } from "prom-client";

export interface InferenceMetrics {
  readonly shed: Counter;
  readonly workerRestarts: Counter;
  /** Lets the gauge read the queue when it is scraped. */
  observeQueue(length: () => number): void;
  observeBatch(tokenCounts: readonly number[]): void;
}

export function createInferenceMetrics(registry: Registry): InferenceMetrics {
  const registers = [registry];
  const sequences = new Histogram({
    name: "arrowmesh_inference_batch_sequences",
    help: "Sequences of a batch.",
    buckets: [1, 2, 4, 8, 16, 32, 64],
    registers,
  });
  const tokens = new Counter({
    name: "arrowmesh_inference_tokens_total",
    help: "Tokens the model read, padding not included.",
    registers,
  });
  const padding = new Counter({
    name: "arrowmesh_inference_padding_tokens_total",
    help: "Padding the model read because sequences of a batch differ in length.",
    registers,
  });
  return {
    shed: new Counter({
      name: "arrowmesh_inference_shed_total",
      help: "Sequences refused because the queue was full.",
      registers,
    }),
    workerRestarts: new Counter({
      name: "arrowmesh_inference_worker_restarts_total",
      help: "Worker threads replaced because they died or hung.",
      registers,
    }),
    observeQueue(length) {
      new Gauge({
        name: "arrowmesh_inference_queue_length",
        help: "Sequences that wait for a worker.",
        registers,
        collect() {
          this.set(length());
        },
      });
    },
    observeBatch(tokenCounts) {
      const sum = tokenCounts.reduce((total, count) => total + count, 0);
      sequences.observe(tokenCounts.length);
      tokens.inc(sum);
      padding.inc(Math.max(...tokenCounts) * tokenCounts.length - sum);
    },
  };
}
