import { Counter, Gauge, Histogram, type Registry } from "prom-client";

/** What one model tells of its batches. */
export interface BatchMetrics {
  shed(sequences: number): void;
  expired(sequences: number): void;
  queued(waitedMs: number): void;
  batch(tokenCounts: readonly number[], computeMs: number): void;
}

export interface InferenceMetrics {
  /** The series of one model; `model` is its name and never comes from a request. */
  ofModel(model: string): BatchMetrics & { workerRestarted(): void; fellBack(): void };
  /** Lets the gauges read queues and models when they are scraped. */
  observe(read: () => readonly ModelGauge[]): void;
  loadFailed(): void;
}

export interface ModelGauge {
  readonly name: string;
  readonly queueLength: number;
  readonly isHealthy: boolean;
}

const labelNames = ["model"] as const;
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createInferenceMetrics(registry: Registry): InferenceMetrics {
  const registers = [registry];
  const series = createSeries(registry);
  const loadFailures = new Counter({
    name: "arrowmesh_inference_load_failures_total",
    help: "Attempts to load a model that failed.",
    registers,
  });

  return {
    ofModel: (model) => bindSeries(series, model),

    observe(read) {
      const gauge = (
        name: string,
        help: string,
        /** Of all versions of a model. */
        value: (versions: readonly ModelGauge[]) => number,
      ) =>
        new Gauge({
          name: `arrowmesh_inference_${name}`,
          help,
          labelNames,
          registers,
          collect() {
            this.reset();
            for (const [model, versions] of byName(read())) this.set({ model }, value(versions));
          },
        });
      gauge("queue_length", "Sequences that wait for a worker.", (versions) =>
        versions.reduce((sum, { queueLength }) => sum + queueLength, 0),
      );
      gauge("model_healthy", "1 while the workers of a model answer.", (versions) =>
        versions.every(({ isHealthy }) => isHealthy) ? 1 : 0,
      );
    },

    loadFailed: () => loadFailures.inc(),
  };
}

function byName(models: readonly ModelGauge[]): Map<string, ModelGauge[]> {
  const versions = new Map<string, ModelGauge[]>();
  for (const model of models) {
    versions.set(model.name, [...(versions.get(model.name) ?? []), model]);
  }
  return versions;
}

type Series = ReturnType<typeof createSeries>;

function createSeries(registry: Registry) {
  const registers = [registry];
  const counter = (name: string, help: string) =>
    new Counter({ name: `arrowmesh_inference_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: number[]) =>
    new Histogram({ name: `arrowmesh_inference_${name}`, help, labelNames, buckets, registers });

  return {
    batchSequences: histogram("batch_sequences", "Sequences of a batch.", [1, 2, 4, 8, 16, 32, 64]),
    queueSeconds: histogram("queue_seconds", "Time a sequence waited for a worker.", seconds),
    computeSeconds: histogram("compute_seconds", "Time the model took for a batch.", seconds),
    tokens: counter("tokens_total", "Tokens the model read, padding not included."),
    padding: counter(
      "padding_tokens_total",
      "Padding the model read because sequences of a batch differ in length.",
    ),
    shed: counter("shed_total", "Sequences refused because the queue was full."),
    expired: counter("expired_total", "Sequences given up because they waited too long."),
    restarts: counter(
      "worker_restarts_total",
      "Worker threads replaced because they died or hung.",
    ),
    fallbacks: counter(
      "provider_fallbacks_total",
      "Models that run on a later execution provider than the first of the list.",
    ),
  };
}

function bindSeries(series: Series, model: string): ReturnType<InferenceMetrics["ofModel"]> {
  const labels = { model };
  // Bound once: looking labels up costs more than counting.
  const of = {
    sequences: series.batchSequences.labels(labels),
    queue: series.queueSeconds.labels(labels),
    compute: series.computeSeconds.labels(labels),
    tokens: series.tokens.labels(labels),
    padding: series.padding.labels(labels),
    shed: series.shed.labels(labels),
    expired: series.expired.labels(labels),
    restarts: series.restarts.labels(labels),
    fallbacks: series.fallbacks.labels(labels),
  };
  return {
    shed: (count) => of.shed.inc(count),
    expired: (count) => of.expired.inc(count),
    queued: (waitedMs) => of.queue.observe(waitedMs / 1_000),
    batch(tokenCounts, computeMs) {
      let sum = 0;
      let longest = 0;
      for (const count of tokenCounts) {
        sum += count;
        longest = Math.max(longest, count);
      }
      of.sequences.observe(tokenCounts.length);
      of.tokens.inc(sum);
      of.padding.inc(longest * tokenCounts.length - sum);
      of.compute.observe(computeMs / 1_000);
    },
    workerRestarted: () => of.restarts.inc(),
    fellBack: () => of.fallbacks.inc(),
  };
}
