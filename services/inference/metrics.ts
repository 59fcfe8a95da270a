import { Counter, exponentialBuckets, type Registry } from "prom-client";
import type { Clock } from "../../lib/clock.js";
import { LightHistogram } from "../../lib/light-histogram.js";
import { ByLabel } from "../../lib/metrics/by-label.js";
import { registerMetric } from "../../lib/metrics/register.js";

/** What one model tells of its batches. An exemplar is the id of a trace that somebody can look at. */
export interface BatchMetrics {
  shed(sequences: number): void;
  expired(sequences: number): void;
  queued(waitedMs: number, exemplarId?: string): void;
  batch(tokenCounts: readonly number[], computeMs: number, exemplarId?: string): void;
}

type ModelMetrics = BatchMetrics & { workerRestarted(): void; fellBack(): void };

export interface InferenceMetrics {
  /** The series of one model; `model` is its name and never comes from a request. */
  ofModel(model: string): ModelMetrics;
  /** Lets the gauges read queues and models when they are scraped. */
  observe(read: () => readonly ModelGauge[]): void;
  loadFailed(): void;
}

/** One version that serves. */
export interface ModelGauge {
  readonly name: string;
  readonly version: string;
  readonly queueLength: number;
  readonly isHealthy: boolean;
}

const labelNames = ["model"] as const;
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const sequences = exponentialBuckets(1, 2, 9);
const tokens = exponentialBuckets(1, 2, 18);
const ratios = [0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];

export function createInferenceMetrics(registry: Registry, clock: Clock): InferenceMetrics {
  const series = createSeries(registry, clock);
  const models = new ByLabel((model) => bindSeries(series, model));
  const loadFailures = new Counter({
    name: "arrowmesh_inference_load_failures_total",
    help: "Attempts to load a model that failed.",
    registers: [registry],
  });

  return {
    ofModel: (model) => models.of(model),

    observe(read) {
      const gauge = (
        name: string,
        help: string,
        /** Of all versions of a model. */
        value: (versions: readonly ModelGauge[]) => number,
      ): void =>
        registerMetric(registry, {
          name: `arrowmesh_inference_${name}`,
          help,
          type: "gauge",
          read: () =>
            [...byName(read())].map(([model, versions]) => ({
              labels: { model },
              value: value(versions),
            })),
        });
      gauge("queue_length", "Sequences that wait for a worker.", (versions) =>
        versions.reduce((sum, { queueLength }) => sum + queueLength, 0),
      );
      gauge("model_healthy", "1 while the workers of a model answer.", (versions) =>
        versions.every(({ isHealthy }) => isHealthy) ? 1 : 0,
      );
      registerMetric(registry, {
        name: "arrowmesh_inference_model_loaded",
        help: "1 for each version of a model that serves.",
        type: "gauge",
        read: () =>
          read().map(({ name: model, version }) => ({ labels: { model, version }, value: 1 })),
      });
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

function createSeries(registry: Registry, clock: Clock) {
  const registers = [registry];
  const counter = (name: string, help: string) =>
    new Counter({ name: `arrowmesh_inference_${name}`, help, labelNames, registers });
  const histogram = (name: string, help: string, buckets: readonly number[]) =>
    new LightHistogram({ name: `arrowmesh_inference_${name}`, help, buckets, registry, clock });

  return {
    batchSequences: histogram("batch_sequences", "Sequences of a batch.", sequences),
    batchTokens: histogram("batch_tokens", "Tokens of a batch, without padding.", tokens),
    paddingRatio: histogram("padding_ratio", "Share of a batch that is padding.", ratios),
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

function bindSeries(series: Series, model: string): ModelMetrics {
  const labels = { model };
  // Bound once: looking labels up costs more than counting.
  const of = {
    sequences: series.batchSequences.series(labels),
    batchTokens: series.batchTokens.series(labels),
    ratio: series.paddingRatio.series(labels),
    queue: series.queueSeconds.series(labels),
    compute: series.computeSeconds.series(labels),
    tokens: series.tokens.labels(labels),
    padding: series.padding.labels(labels),
    shed: series.shed.labels(labels),
    expired: series.expired.labels(labels),
    restarts: series.restarts.labels(labels),
    fallbacks: series.fallbacks.labels(labels),
  };
  // A counter that is there from the start shows its first event as an increase.
  for (const counter of [of.shed, of.expired, of.restarts, of.fallbacks]) counter.inc(0);
  return {
    shed: (count) => of.shed.inc(count),
    expired: (count) => of.expired.inc(count),
    queued: (waitedMs, exemplarId) => of.queue.observe(waitedMs / 1_000, exemplarId),
    batch(tokenCounts, computeMs, exemplarId) {
      let sum = 0;
      let longest = 0;
      for (const count of tokenCounts) {
        sum += count;
        longest = Math.max(longest, count);
      }
      const padded = longest * tokenCounts.length;
      of.sequences.observe(tokenCounts.length);
      of.batchTokens.observe(sum);
      of.ratio.observe(padded === 0 ? 0 : (padded - sum) / padded);
      of.tokens.inc(sum);
      of.padding.inc(padded - sum);
      of.compute.observe(computeMs / 1_000, exemplarId);
    },
    workerRestarted: () => of.restarts.inc(),
    fellBack: () => of.fallbacks.inc(),
  };
}
