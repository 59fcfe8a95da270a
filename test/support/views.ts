import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { packageRoot } from "../../lib/package-root.js";

/** A recording or an alert rule, as its file has it. */
export interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[];
}

/** What the tests read of a dashboard. */
export interface GrafanaDashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly annotations: { readonly list: readonly { readonly expr: string }[] };
  readonly templating: { readonly list: readonly Variable[] };
  readonly panels: readonly GrafanaPanel[];
}

export interface Variable {
  readonly name: string;
  readonly type: string;
  readonly query: string | { readonly query: string };
}

export interface GrafanaPanel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: Place;
  readonly targets?: readonly Target[];
  readonly fieldConfig?: { readonly defaults: { readonly unit: string } };
}

export interface Place {
  readonly x: number;
  readonly y: number;
  readonly w: number;
  readonly h: number;
}

export interface Target {
  readonly refId: string;
  readonly expr: string;
  readonly legendFormat: string;
  readonly datasource: { readonly uid: string };
  readonly exemplar: boolean;
}

export const prometheusFolder: string = join(packageRoot, "deploy/prometheus");
export const ruleFiles = ["red.rules.yml", "slo.rules.yml", "alerts.rules.yml"] as const;
const dashboardsFolder = join(packageRoot, "deploy/grafana/dashboards");

export function readRules(file: string): RuleFile {
  return readYaml(file) as RuleFile; // promtool checks its shape.
}

export const rulesOf = (file: string): readonly Rule[] =>
  readRules(file).groups.flatMap(({ rules }) => rules);

/** A file of deploy/prometheus. */
export function readYaml(file: string): unknown {
  return parse(readFileSync(join(prometheusFolder, file), "utf8"));
}

export const dashboards: readonly GrafanaDashboard[] = readdirSync(dashboardsFolder).map((name) =>
  JSON.parse(readFileSync(join(dashboardsFolder, name), "utf8")),
);

/** Every query that a dashboard sends, with what Grafana would put in place of its variables. */
export function queriesOf(dashboard: GrafanaDashboard): readonly { title: string; expr: string }[] {
  const ofPanels = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, refId }) => ({ title: `${title} ${refId}`, expr })),
  );
  const ofAnnotations = dashboard.annotations.list.map(({ expr }) => ({
    title: "annotation",
    expr,
  }));
  return [...ofPanels, ...ofAnnotations].map(({ title, expr }) => ({
    title,
    expr: expr.replace(/\$(\w+)/g, (_, name: string) => values[name] ?? `unknown variable ${name}`),
  }));
}

const values: Readonly<Record<string, string>> = {
  job: "arrowmesh",
  instance: ".*",
  model: ".*",
  __rate_interval: "1m",
  __interval: "15s",
  __range: "1h",
};
