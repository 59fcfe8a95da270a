import { termsOf } from "./promql.js";
import type { Rule } from "./views.js";

/** Metrics by name, each with its labels. */
export type KnownMetrics = ReadonlyMap<string, ReadonlySet<string>>;

/** Series of an exposition, as Prometheus has them once it scraped it; a metric without series has no labels yet. */
export function readExpositions(
  texts: readonly string[],
  targetLabels: readonly string[],
): KnownMetrics {
  const known = new Map<string, Set<string>>();
  const add = (name: string, labels: readonly string[]) =>
    known.set(name, new Set([...(known.get(name) ?? targetLabels), ...labels]));
  for (const line of texts.flatMap((text) => text.split("\n"))) {
    const [, name = "", labels = ""] = /^(\w+)(?:\{(.*)\})? \S+$/.exec(line) ?? [];
    if (name !== "")
      add(
        name,
        [...labels.matchAll(/(\w+)="/g)].map(([, label = ""]) => label),
      );
  }
  add("up", []);
  return known;
}

/** What rules add: recorded series have the labels that they are grouped by, alerts all that there are. */
export function withRules(scraped: KnownMetrics, rules: readonly Rule[]): KnownMetrics {
  const known = new Map(scraped);
  for (const { record, expr, labels = {} } of rules) {
    if (record === undefined) continue;
    const { selectors, groupings } = termsOf(expr);
    const recorded = selectors.filter(({ metric }) => metric.includes(":"));
    const inherited = recorded.flatMap(({ metric }) => [...(known.get(metric) ?? [])]);
    known.set(record, new Set([...groupings, ...inherited, ...Object.keys(labels)]));
  }
  const all = [...known.values()].flatMap((labels) => [...labels]);
  known.set("ALERTS", new Set(["alertname", "alertstate", "severity", ...all]));
  return known;
}

/** What a query asks for that is not there. */
export function findingsOf(expr: string, known: KnownMetrics): string[] {
  const { selectors, groupings, made } = termsOf(expr);
  const ofSelectors = selectors.flatMap(({ metric, labels }) => {
    const has = known.get(metric);
    if (has === undefined) return [`there is no ${metric}`];
    return labels.filter((label) => !has.has(label)).map((label) => `${metric} has no ${label}`);
  });
  const ofMetrics = selectors.flatMap(({ metric }) => [...(known.get(metric) ?? [])]);
  const grouped = new Set([...made, ...ofMetrics]);
  const ofGroupings = groupings
    .filter((label) => !grouped.has(label))
    .map((label) => `nothing has the label ${label}: ${expr}`);
  return [...ofSelectors, ...ofGroupings];
}
