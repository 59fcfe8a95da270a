import { type Dashboard, mean, type Panel, quantiles, rate } from "./dashboard.js";

const ofInstance = 'job="$job",instance=~"$instance"';
const ofModel = 'job="$job",instance=~"$instance",model=~"$model"';

const queue: readonly Panel[] = [
  {
    kind: "timeseries",
    title: "Queue length",
    description:
      "Sequences that wait for a worker, at the moment of the scrape. At 512 requests are refused.",
    unit: "short",
    width: 8,
    queries: [
      { expr: `arrowmesh_inference_queue_length{${ofModel}}`, legend: "{{model}} {{instance}}" },
    ],
    thresholds: [
      { from: 32, color: "yellow" },
      { from: 512, color: "red" },
    ],
  },
  {
    kind: "timeseries",
    title: "Wait in the queue",
    description: "Of a sequence, until a worker has it; the points are traces.",
    unit: "s",
    width: 8,
    queries: quantiles("arrowmesh_inference_queue_seconds", ofModel),
  },
  {
    kind: "timeseries",
    title: "Refused for want of room",
    description:
      "Inputs a second that found the gateway or a queue full, and those that waited too long.",
    unit: "cps",
    width: 8,
    queries: [
      { expr: rate("arrowmesh_gateway_shed_total", ofInstance, "job"), legend: "gateway full" },
      {
        expr: rate("arrowmesh_inference_shed_total", ofModel, "model"),
        legend: "queue full {{model}}",
      },
      {
        expr: rate("arrowmesh_inference_expired_total", ofModel, "model"),
        legend: "waited too long {{model}}",
      },
    ],
    isStacked: true,
  },
];

const batches: readonly Panel[] = [
  {
    kind: "heatmap",
    title: "Sequences of a batch",
    description:
      "How many batches were of which size. Only small ones under load: batching does not find company.",
    unit: "short",
    width: 8,
    queries: [
      {
        expr: `sum by (le) (increase(arrowmesh_inference_batch_sequences_bucket{${ofModel}}[$__rate_interval]))`,
        legend: "{{le}}",
      },
    ],
  },
  {
    kind: "timeseries",
    title: "Time of a batch in the model",
    description: "The points are traces.",
    unit: "s",
    width: 8,
    queries: quantiles("arrowmesh_inference_compute_seconds", ofModel),
  },
  {
    kind: "timeseries",
    title: "Padding",
    description:
      "Part of a batch that is there only because its sequences differ in length. It costs like the rest.",
    unit: "percentunit",
    width: 8,
    queries: [
      { expr: mean("arrowmesh_inference_padding_ratio", ofModel, "model"), legend: "{{model}}" },
    ],
    thresholds: [{ from: 0.4, color: "yellow" }],
  },
  {
    kind: "timeseries",
    title: "Tokens",
    description: "A second, as the models read them, padding not included.",
    unit: "cps",
    width: 8,
    queries: [
      { expr: rate("arrowmesh_inference_tokens_total", ofModel, "model"), legend: "{{model}}" },
    ],
    isStacked: true,
  },
  {
    kind: "timeseries",
    title: "Workers busy",
    description:
      "Seconds of work a second, so 2 is two workers that never rest. At their number, queues grow.",
    unit: "none",
    width: 8,
    queries: [
      {
        expr: rate("arrowmesh_inference_compute_seconds_sum", ofModel, "model, instance"),
        legend: "{{model}} {{instance}}",
      },
    ],
  },
  {
    kind: "timeseries",
    title: "Remembered instead of computed",
    description:
      "Vectors that gateways remembered or shared, and encodings that tokenizers remembered.",
    unit: "percentunit",
    width: 8,
    queries: [
      { expr: partOfVectors("hits"), legend: "vectors, remembered" },
      { expr: partOfVectors("coalesced"), legend: "vectors, shared with another request" },
      {
        expr:
          `sum(rate(arrowmesh_tokenizer_cache_hits_total{${ofInstance}}[$__rate_interval])) / ` +
          `(sum(rate(arrowmesh_tokenizer_cache_hits_total{${ofInstance}}[$__rate_interval])) + ` +
          `sum(rate(arrowmesh_tokenizer_cache_misses_total{${ofInstance}}[$__rate_interval])))`,
        legend: "encodings, remembered",
      },
    ],
  },
];

const models: readonly Panel[] = [
  {
    kind: "table",
    title: "Loaded models",
    description: "Which version serves on which process.",
    unit: "none",
    width: 12,
    queries: [
      {
        expr: `count by (model, version, service, instance) (arrowmesh_inference_model_loaded{${ofModel}} == 1)`,
        legend: "{{model}} {{version}}",
      },
    ],
  },
  {
    kind: "timeseries",
    title: "Trouble",
    description:
      "Workers replaced, loads that failed, models without a healthy worker, models on a fallback device.",
    unit: "short",
    width: 12,
    queries: [
      {
        expr: `sum by (model) (increase(arrowmesh_inference_worker_restarts_total{${ofModel}}[$__rate_interval]))`,
        legend: "workers replaced {{model}}",
      },
      {
        expr: `sum(increase(arrowmesh_inference_load_failures_total{${ofInstance}}[$__rate_interval]))`,
        legend: "loads failed",
      },
      {
        expr: `count by (model) (arrowmesh_inference_model_healthy{${ofModel}} == 0)`,
        legend: "unhealthy {{model}}",
      },
      {
        expr: `sum by (model) (arrowmesh_inference_provider_fallbacks_total{${ofModel}})`,
        legend: "on a fallback {{model}}",
      },
    ],
  },
];

/** Where a request waits and computes. */
export const inference: Dashboard = {
  uid: "arrowmesh-inference",
  title: "Arrowmesh: inference",
  description: "Queues, batches, models and what is remembered of their work.",
  variables: ["instance", "model"],
  rows: [
    { title: "Queue", panels: queue },
    { title: "Batches", panels: batches },
    { title: "Models", panels: models },
  ],
};

function partOfVectors(outcome: "hits" | "coalesced"): string {
  const of = (name: string) =>
    `sum(rate(arrowmesh_gateway_cache_${name}_total{${ofInstance}}[$__rate_interval]))`;
  return `${of(outcome)} / (${of("hits")} + ${of("misses")} + ${of("coalesced")})`;
}
