import type { ChartSpec } from "./line-chart.js";

/** What the page draws, in the order in which a person looks for what is wrong. */
export const charts: readonly ChartSpec[] = [
  {
    title: "Requests",
    unit: "perSecond",
    headline: {
      unit: "perSecond",
      read: ({ answered, refused, mistaken, failed }) => answered + refused + mistaken + failed,
    },
    isStacked: true,
    lines: [
      { name: "answered", read: ({ answered }) => answered },
      { name: "refused (429)", read: ({ refused }) => refused },
      { name: "other 4xx", read: ({ mistaken }) => mistaken },
      { name: "failed (5xx)", read: ({ failed }) => failed },
    ],
    axisEndMin: 1,
    nothing: "No requests",
  },
  {
    title: "Errors",
    unit: "share",
    per: "of requests failed",
    lines: [
      { name: "failed", read: ({ failedShare }) => failedShare },
      { name: "refused", read: ({ refusedShare }) => refusedShare },
    ],
    axisEndMin: 0.02,
    nothing: "No errors",
  },
  {
    title: "Latency",
    unit: "milliseconds",
    per: "median",
    lines: [
      { name: "p50", read: ({ latencyP50Ms }) => latencyP50Ms },
      { name: "p95", read: ({ latencyP95Ms }) => latencyP95Ms },
      { name: "p99", read: ({ latencyP99Ms }) => latencyP99Ms },
    ],
    axisEndMin: 10,
    nothing: "No requests",
  },
  {
    title: "Queue",
    unit: "count",
    per: "texts wait for a model",
    lines: [
      { name: "waiting", read: ({ queueLength }) => queueLength },
      { name: "in work at the gateway", read: ({ inputs }) => inputs },
    ],
    axisEndMin: 5,
    nothing: "Nobody waits",
  },
  {
    title: "Wait and compute",
    unit: "milliseconds",
    per: "p99 of the wait",
    lines: [
      { name: "wait p99", read: ({ queueP99Ms }) => queueP99Ms },
      { name: "wait p50", read: ({ queueP50Ms }) => queueP50Ms },
      { name: "batch p99", read: ({ computeP99Ms }) => computeP99Ms },
      { name: "batch p50", read: ({ computeP50Ms }) => computeP50Ms },
    ],
    axisEndMin: 10,
    nothing: "Nothing to compute",
  },
  {
    title: "Batch size",
    unit: "count",
    per: "texts, mean",
    lines: [
      { name: "mean", read: ({ batchMean }) => batchMean },
      { name: "p95", read: ({ batchP95 }) => batchP95 },
    ],
    axisEndMin: 8,
    nothing: "No batches",
  },
  {
    title: "Padding",
    unit: "share",
    per: "of what models read",
    lines: [{ name: "padding", read: ({ paddingShare }) => paddingShare }],
    axisEndMin: 0.1,
    nothing: "No padding",
  },
  {
    title: "Cache",
    unit: "perSecond",
    headline: { unit: "share", read: ({ rememberedShare }) => rememberedShare },
    per: "of vectors remembered",
    isStacked: true,
    lines: [
      { name: "remembered", read: ({ remembered }) => remembered },
      { name: "shared", read: ({ shared }) => shared },
      { name: "computed", read: ({ computed }) => computed },
    ],
    axisEndMin: 1,
    nothing: "No vectors",
  },
  {
    title: "Limiter",
    unit: "perSecond",
    per: "decisions refused",
    headline: { unit: "perSecond", read: ({ denied }) => denied },
    isStacked: true,
    lines: [
      { name: "allowed", read: ({ allowed }) => allowed },
      { name: "refused", read: ({ denied }) => denied },
      { name: "degraded", read: ({ degraded }) => degraded },
    ],
    axisEndMin: 1,
    nothing: "No decisions",
  },
];
