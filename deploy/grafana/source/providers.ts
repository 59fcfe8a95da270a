import { type Dashboard, type Panel, quantiles, rate } from "./dashboard.js";

const ofInstance = 'job="$job",instance=~"$instance"';
const upstreamCalls = "arrowmesh_upstream_call_duration_seconds";

const states: readonly Panel[] = [
  {
    kind: "stat",
    title: "Upstreams",
    description:
      "Ready as every process that calls them sees it; one that does not see it ready is enough for red.",
    unit: "none",
    width: 12,
    queries: [
      {
        expr: `min by (upstream) (arrowmesh_upstream_ready{${ofInstance}})`,
        legend: "{{upstream}}",
      },
    ],
    words: { "0": { text: "not ready", color: "red" }, "1": { text: "ready", color: "green" } },
  },
  {
    kind: "stat",
    title: "Breakers",
    description: "The worst over the processes. Open: calls are kept away; half open: a few probe.",
    unit: "none",
    width: 6,
    queries: [
      { expr: `max by (breaker) (arrowmesh_breaker_state{${ofInstance}})`, legend: "{{breaker}}" },
    ],
    words: {
      "0": { text: "closed", color: "green" },
      "1": { text: "half open", color: "yellow" },
      "2": { text: "open", color: "red" },
    },
  },
  {
    kind: "stat",
    title: "Redis",
    description:
      "Whether every limiter is connected. No data: the limiter keeps its counters in memory.",
    unit: "none",
    width: 6,
    queries: [{ expr: `min(arrowmesh_redis_connected{${ofInstance}})`, legend: "redis" }],
    words: { "0": { text: "away", color: "red" }, "1": { text: "connected", color: "green" } },
  },
];

const calls: readonly Panel[] = [
  {
    kind: "timeseries",
    title: "Calls",
    description: "To other processes and providers.",
    unit: "reqps",
    width: 8,
    queries: [
      { expr: rate(`${upstreamCalls}_count`, ofInstance, "upstream"), legend: "{{upstream}}" },
    ],
  },
  {
    kind: "timeseries",
    title: "Failures",
    description: "By fault, as the caller saw them after its retries.",
    unit: "reqps",
    width: 8,
    queries: [
      {
        expr: rate(`${upstreamCalls}_count`, `${ofInstance},status!="ok"`, "upstream, status"),
        legend: "{{upstream}} {{status}}",
      },
    ],
    isStacked: true,
  },
  {
    kind: "timeseries",
    title: "Latency",
    description: "As the caller sees it, the way there and back included.",
    unit: "s",
    width: 8,
    queries: quantiles(upstreamCalls, ofInstance, "upstream"),
  },
];

const breakers: readonly Panel[] = [
  {
    kind: "timeseries",
    title: "Failures that breakers count",
    description: "Enough of them in a row open the breaker.",
    unit: "ops",
    width: 8,
    queries: [
      {
        expr: rate("arrowmesh_breaker_failures_total", ofInstance, "breaker, instance"),
        legend: "{{breaker}} {{instance}}",
      },
    ],
  },
  {
    kind: "timeseries",
    title: "Probes of half-open breakers",
    description: "Calls under way that try whether a breaker may close.",
    unit: "short",
    width: 8,
    queries: [
      {
        expr: `arrowmesh_breaker_half_open_slots{${ofInstance}}`,
        legend: "{{breaker}} {{instance}}",
      },
    ],
  },
  {
    kind: "timeseries",
    title: "Degraded answers",
    description: "Answers that were given although something they should have asked was away.",
    unit: "reqps",
    width: 8,
    queries: [
      { expr: rate("arrowmesh_gateway_degraded_total", ofInstance, "job"), legend: "degraded" },
    ],
  },
];

const redis: readonly Panel[] = [
  {
    kind: "timeseries",
    title: "Redis: errors",
    description: "Calls of limiters that failed, or came to nothing within their 20 ms (timeout).",
    unit: "ops",
    width: 8,
    queries: [
      { expr: rate("arrowmesh_redis_errors_total", ofInstance, "kind"), legend: "{{kind}}" },
    ],
  },
  {
    kind: "timeseries",
    title: "Redis: settlements that wait for it",
    description:
      "At 100,000, or after ten minutes, they are given up and their reservations end by themselves.",
    unit: "short",
    width: 8,
    queries: [
      { expr: `arrowmesh_ratelimit_settlements_kept{${ofInstance}}`, legend: "kept {{instance}}" },
      {
        expr: `sum by (instance) (increase(arrowmesh_ratelimit_settlements_dropped_total{${ofInstance}}[$__rate_interval]))`,
        legend: "given up {{instance}}",
      },
    ],
    thresholds: [{ from: 100_000, color: "red" }],
  },
  {
    kind: "timeseries",
    title: "Redis: decisions that need none",
    description: "Refusals of keys that are known to have no room, and decisions made of leases.",
    unit: "ops",
    width: 8,
    queries: [
      {
        expr: rate("arrowmesh_ratelimit_over_limit_hits_total", ofInstance, "instance"),
        legend: "refused {{instance}}",
      },
      {
        expr: rate("arrowmesh_ratelimit_lease_decisions_total", ofInstance, "instance"),
        legend: "leased {{instance}}",
      },
    ],
  },
];

/** What the mesh depends on: its own roles, and Redis. */
export const providers: Dashboard = {
  uid: "arrowmesh-providers",
  title: "Arrowmesh: providers",
  description: "What processes call: each other, providers, Redis; and the breakers in between.",
  variables: ["instance"],
  rows: [
    { title: "State", panels: states },
    { title: "Calls", panels: calls },
    { title: "Breakers", panels: breakers },
    { title: "Redis", panels: redis },
  ],
};
