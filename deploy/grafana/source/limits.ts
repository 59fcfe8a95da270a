import { type Dashboard, type Panel, quantiles, rate } from "./dashboard.js";

const ofInstance = 'job="$job",instance=~"$instance"';

const decisions: readonly Panel[] = [
  {
    kind: "timeseries",
    title: "Decisions",
    description: "By what was spent and what came of it. Those of shadow limits refuse nobody.",
    unit: "ops",
    width: 12,
    queries: [
      {
        expr: rate("arrowmesh_ratelimit_decisions_total", ofInstance, "unit, outcome"),
        legend: "{{unit}} {{outcome}}",
      },
    ],
    isStacked: true,
  },
  {
    kind: "timeseries",
    title: "Refusals by limit",
    description: "The ten limits that refuse most, and the shadow limits that would.",
    unit: "ops",
    width: 12,
    queries: [
      {
        expr: `topk(10, ${rate("arrowmesh_ratelimit_limit_decisions_total", `${ofInstance},outcome=~"refused|shadow_refused"`, "limit, outcome")})`,
        legend: "{{limit}} {{outcome}}",
      },
    ],
  },
  {
    kind: "timeseries",
    title: "Part that is refused",
    description:
      "Of the decisions that spend, by unit. Near 100 %: somebody sends far more than they may.",
    unit: "percentunit",
    width: 8,
    queries: [
      {
        expr:
          `${rate("arrowmesh_ratelimit_decisions_total", `${ofInstance},outcome="refused"`, "unit")} / ` +
          rate(
            "arrowmesh_ratelimit_decisions_total",
            `${ofInstance},outcome=~"allowed|refused"`,
            "unit",
          ),
        legend: "{{unit}}",
      },
    ],
  },
  {
    kind: "timeseries",
    title: "Time of a decision",
    description: "Of the store. Above 20 ms Redis is given up for that decision.",
    unit: "s",
    width: 8,
    queries: quantiles("arrowmesh_ratelimit_decision_seconds", ofInstance),
    thresholds: [{ from: 0.02, color: "red" }],
  },
  {
    kind: "timeseries",
    title: "Decisions without the shared counters",
    description: "By limit and by what the limit says for that case.",
    unit: "ops",
    width: 8,
    queries: [
      {
        expr: rate(
          "arrowmesh_ratelimit_degraded_decisions_total",
          ofInstance,
          "limit, on_store_failure",
        ),
        legend: "{{limit}}: {{on_store_failure}}",
      },
    ],
  },
];

const held: readonly Panel[] = [
  {
    kind: "timeseries",
    title: "Reservations",
    description:
      "By what happened to them. Those that expire were never settled: a gateway ended in between.",
    unit: "ops",
    width: 8,
    queries: [
      {
        expr: rate("arrowmesh_ratelimit_reservations_total", ofInstance, "event"),
        legend: "{{event}}",
      },
    ],
  },
  {
    kind: "timeseries",
    title: "Held in memory",
    description:
      "Counters and open reservations of each process: all of them, or those of an outage of Redis.",
    unit: "short",
    width: 8,
    queries: [
      {
        expr: `arrowmesh_ratelimit_keys_in_memory{${ofInstance}}`,
        legend: "counters {{instance}}",
      },
      {
        expr: `arrowmesh_ratelimit_reservations_in_memory{${ofInstance}}`,
        legend: "reservations {{instance}}",
      },
    ],
    thresholds: [{ from: 1_000_000, color: "red" }],
  },
  {
    kind: "timeseries",
    title: "New files of limits",
    description: "Taken over, or refused as wrong; then the files before still hold.",
    unit: "short",
    width: 8,
    queries: [
      {
        expr: `sum by (outcome) (increase(arrowmesh_ratelimit_reloads_total{${ofInstance}}[$__rate_interval]))`,
        legend: "{{outcome}}",
      },
    ],
  },
];

/** Who is refused, and how the limiter decides. */
export const limits: Dashboard = {
  uid: "arrowmesh-limits",
  title: "Arrowmesh: limits",
  description: "What limits decide, how fast, and what they hold.",
  variables: ["instance"],
  rows: [
    { title: "Decisions", panels: decisions },
    { title: "Counters and files", panels: held },
  ],
};
