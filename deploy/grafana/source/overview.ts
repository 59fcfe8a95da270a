import { type Dashboard, mean, type Panel, quantiles, rate } from "./dashboard.js";

const gateway = 'job="$job",role="gateway"';
const ofInstance = 'job="$job",instance=~"$instance"';
const ofModel = 'job="$job",instance=~"$instance",model=~"$model"';
/** What the objectives count; as in deploy/prometheus/slo.rules.yml. */
const work = `${gateway},method!~"GET /.*|grpc[.].*|.*Stream.*|.*[Rr]epository.*"`;
const calls = "arrowmesh_call_duration_seconds";

const callers: readonly Panel[] = [
  {
    kind: "stat",
    title: "Requests",
    description: "Calls to the gateways, by every protocol, over five minutes.",
    unit: "reqps",
    width: 4,
    queries: [{ expr: `job_role:arrowmesh_calls:rate5m{${gateway}}`, legend: "requests" }],
  },
  {
    kind: "stat",
    title: "Failed",
    description: "Calls answered with 500, 503 or 504. ArrowmeshServerErrors fires above 1 %.",
    unit: "percentunit",
    width: 4,
    queries: [
      { expr: `job_role:arrowmesh_call_errors:ratio_rate5m{${gateway}}`, legend: "failed" },
    ],
    thresholds: [
      { from: 0.001, color: "yellow" },
      { from: 0.01, color: "red" },
    ],
  },
  {
    kind: "stat",
    title: "99th percentile",
    description:
      "Of the requests that callers wait for, without streams. ArrowmeshSlow fires above 50 ms.",
    unit: "s",
    width: 4,
    queries: [
      {
        expr: `histogram_quantile(0.99, sum by (le) (rate(${calls}_bucket{${work}}[5m])))`,
        legend: "p99",
      },
    ],
    thresholds: [
      { from: 0.025, color: "yellow" },
      { from: 0.05, color: "red" },
    ],
  },
  {
    kind: "stat",
    title: "Error budget spent",
    description:
      "Part of the budget for the shown time (0.1 % of its requests) that failed or were shed: above 100 % the objective of 99.9 % is missed.",
    unit: "percentunit",
    width: 4,
    queries: [
      {
        expr:
          `(sum(increase(${calls}_count{${work},status=~"internal|unavailable|deadline|overloaded"}[$__range])) or vector(0))` +
          ` / sum(increase(${calls}_count{${work}}[$__range])) / 0.001`,
        legend: "spent",
      },
    ],
    thresholds: [
      { from: 0.5, color: "yellow" },
      { from: 1, color: "red" },
    ],
  },
  {
    kind: "stat",
    title: "Processes down",
    description: "Targets that do not answer their scrape.",
    unit: "short",
    width: 4,
    queries: [{ expr: 'count(up{job="$job"} == 0) or vector(0)', legend: "down" }],
    thresholds: [{ from: 1, color: "red" }],
  },
  {
    kind: "stat",
    title: "Alerts firing",
    description: "Each has a section in docs/runbook.md.",
    unit: "short",
    width: 4,
    queries: [
      {
        expr: 'count(ALERTS{alertname=~"Arrowmesh.*",alertstate="firing"}) or vector(0)',
        legend: "firing",
      },
    ],
    thresholds: [{ from: 1, color: "red" }],
  },
  {
    kind: "timeseries",
    title: "Requests by route",
    description: "Routes and RPCs of the gateways.",
    unit: "reqps",
    width: 12,
    queries: [
      {
        expr: rate(`${calls}_count`, `${gateway},instance=~"$instance"`, "method"),
        legend: "{{method}}",
      },
    ],
    isStacked: true,
  },
  {
    kind: "timeseries",
    title: "Requests that were not answered",
    description:
      "By fault. internal, unavailable and deadline are the mesh's; limited and overloaded are refusals; the rest are mistakes of callers.",
    unit: "reqps",
    width: 12,
    queries: [
      {
        expr: rate(`${calls}_count`, `${gateway},instance=~"$instance",status!="ok"`, "status"),
        legend: "{{status}}",
      },
    ],
    isStacked: true,
  },
  {
    kind: "timeseries",
    title: "Latency",
    description: "Of the requests that callers wait for; the points are traces.",
    unit: "s",
    width: 12,
    queries: quantiles(calls, `${work},instance=~"$instance"`),
    thresholds: [{ from: 0.05, color: "red" }],
  },
  {
    kind: "timeseries",
    title: "Burn rate of the error budgets",
    description:
      "1 spends a 30-day budget in 30 days. Above 14.4 for an hour, or 6 for six hours, somebody is paged.",
    unit: "none",
    width: 12,
    queries: [
      { expr: 'job_slo:arrowmesh_error_budget_burn:rate1h{job="$job"}', legend: "{{slo}}, 1 h" },
      { expr: 'job_slo:arrowmesh_error_budget_burn:rate6h{job="$job"}', legend: "{{slo}}, 6 h" },
    ],
    thresholds: [
      { from: 1, color: "yellow" },
      { from: 6, color: "orange" },
      { from: 14.4, color: "red" },
    ],
  },
];

const stages: readonly Panel[] = [
  {
    kind: "timeseries",
    title: "Time of a request by stage",
    description:
      "Means, as the gateways see them; a request that was remembered spends none in the last two.",
    unit: "s",
    width: 12,
    queries: ["tokenization", "queue", "compute"].map((stage) => ({
      expr: mean(`arrowmesh_gateway_${stage}_seconds`, ofModel, "model"),
      legend: `${stage} {{model}}`,
    })),
    isStacked: true,
  },
  {
    kind: "timeseries",
    title: "Calls by role",
    description: "99th percentile inside each role; where a slow request was slow.",
    unit: "s",
    width: 12,
    queries: [
      {
        expr: 'job_role:arrowmesh_call_duration_seconds:quantile5m{job="$job",quantile="0.99"}',
        legend: "{{role}}",
      },
    ],
  },
];

const processes: readonly Panel[] = [
  {
    kind: "timeseries",
    title: "Processors",
    description:
      "Processor time a second, so 1 is one processor. Only inference uses more than one for long.",
    unit: "none",
    width: 12,
    queries: [
      {
        expr: rate("process_cpu_seconds_total", ofInstance, "service, instance"),
        legend: "{{service}} {{instance}}",
      },
    ],
  },
  {
    kind: "timeseries",
    title: "Memory",
    description: "Resident. ArrowmeshMemoryHigh fires at 90 % of a role's limit in deploy/k8s.",
    unit: "bytes",
    width: 12,
    queries: [
      { expr: `process_resident_memory_bytes{${ofInstance}}`, legend: "{{service}} {{instance}}" },
    ],
  },
  {
    kind: "timeseries",
    title: "Event loop lag",
    description:
      "99th percentile since the last scrape. A process that is late here is late with everything.",
    unit: "s",
    width: 8,
    queries: [
      {
        expr: `nodejs_eventloop_lag_p99_seconds{${ofInstance}}`,
        legend: "{{service}} {{instance}}",
      },
    ],
    thresholds: [{ from: 0.1, color: "red" }],
  },
  {
    kind: "timeseries",
    title: "Connections",
    description: "Open sockets of each process's port.",
    unit: "short",
    width: 8,
    queries: [
      { expr: `arrowmesh_active_connections{${ofInstance}}`, legend: "{{service}} {{instance}}" },
    ],
  },
  {
    kind: "timeseries",
    title: "Spans of traces",
    description:
      "By what became of them: dropped and failed are gaps in traces. Passed over: requests that failed or were slow, too many a second to keep.",
    unit: "ops",
    width: 8,
    queries: [
      { expr: rate("arrowmesh_trace_spans_total", ofInstance, "outcome"), legend: "{{outcome}}" },
      {
        expr: rate("arrowmesh_traces_passed_over_total", ofInstance, "job"),
        legend: "requests passed over",
      },
    ],
  },
];

/** What a mesh gives its callers, and how its processes are. */
export const overview: Dashboard = {
  uid: "arrowmesh-overview",
  title: "Arrowmesh: overview",
  description: "What the mesh gives its callers, where their time goes, and how its processes are.",
  variables: ["instance", "model"],
  rows: [
    { title: "Callers", panels: callers },
    { title: "Where the time goes", panels: stages },
    { title: "Processes", panels: processes },
  ],
};
