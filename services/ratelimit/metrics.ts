import { Counter, type Registry } from "prom-client";
import type { Clock } from "../../lib/clock.js";
import { LightHistogram } from "../../lib/light-histogram.js";
import type { Breakers } from "../../lib/metrics/breakers.js";
import type { WatchedFiles } from "./files/watched-files.js";
import { type Counted, countables } from "./policy/rule.js";
import type { Spending } from "./requests.js";
import { type RuleCount, RuleCounts } from "./rule-counts.js";
import { observeReservations, observeStatus } from "./store-metrics.js";
import type { Decision } from "./stores/charge.js";
import type { DecisionCounts } from "./stores/metered-store.js";
import type { LimitStore } from "./stores/store.js";
import type { StoreStatus } from "./stores/store-status.js";

/** From counters in memory to a Redis that is too slow. */
const secondsBuckets = [
  0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
  0.25,
];
const outcomes = ["allowed", "refused", "shadow_allowed", "shadow_refused"] as const;
type Outcome = (typeof outcomes)[number];
const failures = ["allow", "refuse", "degrade"] as const;

/** What the service counts. Nothing here looks up labels while a decision is made. */
export interface RatelimitCounts extends DecisionCounts {
  decision(spending: Spending, decision: Decision): void;
  /** What the shadow rules would have decided. */
  shadow(spending: Spending, decision: Decision): void;
  /** Lets the metrics read the store when they are scraped. */
  observe(store: LimitStore, status: () => StoreStatus): void;
}

export function createRatelimitMetrics(platform: {
  readonly registry: Registry;
  readonly breakers: Breakers;
  readonly clock: Clock;
}): RatelimitCounts {
  const { registry, clock } = platform;
  const rules = new RuleCounts();
  countByRule(registry, rules, {
    name: "arrowmesh_ratelimit_limit_decisions_total",
    help: "Decisions that spend, by limit: allowed by all, or refused by this one.",
    label: "outcome",
    values: outcomes,
  });
  countByRule(registry, rules, {
    name: "arrowmesh_ratelimit_degraded_decisions_total",
    help: "Decisions without the shared counters, by limit and what it says for that case.",
    label: "on_store_failure",
    values: failures,
  });
  const inc = countDecisions(registry);
  const seconds = new LightHistogram({
    name: "arrowmesh_ratelimit_decision_seconds",
    help: "Seconds that the store took to decide, of decisions that spend.",
    buckets: secondsBuckets,
    ...{ registry, clock },
  }).series();
  return {
    decision({ spends }, decision) {
      for (const { counts } of spends) inc(counts, decision.allowed ? "allowed" : "refused");
      rules.decided(decision, "");
    },
    shadow({ spends }, decision) {
      const outcome = decision.allowed ? "shadow_allowed" : "shadow_refused";
      for (const { counts } of spends) inc(counts, outcome);
      rules.decided(decision, "shadow_");
    },
    decided(decision, tookMs) {
      seconds.observe(tookMs / 1_000);
      if (decision.isDegraded) rules.degraded(decision);
    },
    failed(charge, thrown) {
      rules.failed(charge, thrown);
    },
    observe(store, status) {
      observeReservations(registry, store);
      observeStatus(platform, status);
    },
  };
}

/** How often files of limits took over while the process ran, and how often they could not. */
export function observeReloads(registry: Registry, files: WatchedFiles<unknown>): void {
  new Counter({
    name: "arrowmesh_ratelimit_reloads_total",
    help: "New versions of the files of limits, by whether they took over or were refused as wrong.",
    labelNames: ["outcome"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [outcome, count] of Object.entries(files.reloads)) this.inc({ outcome }, count);
    },
  });
}

/** Adds up in plain numbers; labels are looked up when metrics are scraped. */
function countDecisions(registry: Registry): (counted: Counted, outcome: Outcome) => void {
  const counts = new Map(
    countables.map((unit) => [
      unit,
      { allowed: 0, refused: 0, shadow_allowed: 0, shadow_refused: 0 },
    ]),
  );
  new Counter({
    name: "arrowmesh_ratelimit_decisions_total",
    help: "Decisions that spend, by unit and outcome; shadow rules decide by themselves.",
    labelNames: ["unit", "outcome"],
    registers: [registry],
    collect() {
      this.reset();
      for (const [unit, count] of counts) {
        for (const outcome of outcomes) {
          if (count[outcome] > 0) this.inc({ unit, outcome }, count[outcome]);
        }
      }
    },
  });
  return (unit, outcome) => {
    const count = counts.get(unit);
    if (count !== undefined) count[outcome] += 1;
  };
}

function countByRule(
  registry: Registry,
  rules: RuleCounts,
  metric: {
    readonly name: string;
    readonly help: string;
    readonly label: string;
    readonly values: readonly (keyof RuleCount)[];
  },
): void {
  const { name, help, label, values } = metric;
  new Counter({
    name,
    help,
    labelNames: ["limit", label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [limit, count] of rules.entries()) {
        for (const value of values) {
          if (count[value] > 0) this.inc({ limit, [label]: value }, count[value]);
        }
      }
    },
  });
}
