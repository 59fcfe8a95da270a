// What Grafana would show is well-formed; test/views.test.ts asks a real Prometheus for what is in it.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { packageRoot } from "../lib/package-root.js";
import { run } from "./support/programs.js";
import { dashboards, type Place } from "./support/views.js";

/** Grafana's ids of units; one it does not know it shows as a suffix of the number. */
const units = new Set("reqps ops cps percentunit s bytes short none bool".split(" "));
const columns = 24;
const variables = [
  "datasource",
  "job",
  "instance",
  "model",
  "__rate_interval",
  "__range",
  "__interval",
];

test("the dashboards are what their source says", async () => {
  const { code, stderr } = await run(process.execPath, [
    join(packageRoot, "tools/dashboards.js"),
    "--check",
  ]);
  equal(code, 0, stderr);
});

test("there is a dashboard for each of the four views, under an address of its own", () => {
  deepEqual(dashboards.map(({ uid }) => uid).sort(), [
    "arrowmesh-inference",
    "arrowmesh-limits",
    "arrowmesh-overview",
    "arrowmesh-providers",
  ]);
  equal(new Set(dashboards.map(({ title }) => title)).size, dashboards.length);
});

for (const dashboard of dashboards) {
  describe(dashboard.title, () => {
    const { panels } = dashboard;
    const filled = panels.filter(({ type }) => type !== "row");

    test("is in a schema that Grafana 10.3 and later read", () => {
      equal(dashboard.schemaVersion, 39);
    });

    test("gives each panel an id and a place of its own", () => {
      equal(new Set(panels.map(({ id }) => id)).size, panels.length);
      for (const [index, panel] of panels.entries()) {
        const { x, w } = panel.gridPos;
        ok(x >= 0 && w > 0 && x + w <= columns, `${panel.title} is wider than the page`);
        for (const other of panels.slice(index + 1)) {
          ok(!overlap(panel.gridPos, other.gridPos), `${panel.title} lies on ${other.title}`);
        }
      }
    });

    test("leaves no gap in a line and none between lines", () => {
      const bottom = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h));
      const area = panels.reduce((sum, { gridPos: { w, h } }) => sum + w * h, 0);
      equal(area, bottom * columns);
    });

    test("asks the data source that is chosen, everywhere", () => {
      const [source] = dashboard.templating.list;
      equal(source?.type, "datasource");
      equal(source?.query, "prometheus");
      const chosen = `\${${source?.name}}`;
      for (const { title, datasource, targets = [] } of filled) {
        for (const { uid } of [datasource, ...targets.map((target) => target.datasource)].filter(
          (one) => one !== undefined,
        )) {
          equal(uid, chosen, title);
        }
      }
    });

    test("says what each panel shows, in which unit, and names every line of it", () => {
      for (const { title, description, fieldConfig, targets = [] } of filled) {
        match(description ?? "", /^[A-Z0-9].*\.$/, title);
        ok(units.has(fieldConfig?.defaults.unit ?? ""), `${title}: ${fieldConfig?.defaults.unit}`);
        ok(targets.length > 0, `${title} asks nothing`);
        equal(new Set(targets.map(({ refId }) => refId)).size, targets.length);
        equal(new Set(targets.map(({ legendFormat }) => legendFormat)).size, targets.length, title);
        for (const { expr, legendFormat } of targets) ok(expr !== "" && legendFormat !== "", title);
      }
    });

    test("uses the variables that it has, and has none that it does not use", () => {
      const names = dashboard.templating.list.map(({ name }) => name);
      const used = new Set(
        [...JSON.stringify(dashboard).matchAll(/\$\{?(\w+)/g)].map(([, name = ""]) => name),
      );
      used.delete("__all");
      for (const name of used) {
        ok(variables.includes(name), `${name} is no variable`);
        ok(name.startsWith("__") || names.includes(name), `${name} cannot be chosen`);
      }
      for (const name of names) ok(used.has(name), `${name} changes nothing`);
    });

    test("shows traces only behind histograms themselves, as recorded series have none", () => {
      const withTraces = filled.flatMap(({ targets = [] }) =>
        targets.filter(({ exemplar }) => exemplar),
      );
      for (const { expr } of withTraces)
        match(expr, /^histogram_quantile\(.*\barrowmesh_\w+_bucket\{/);
    });
  });
}

function overlap(one: Place, other: Place): boolean {
  const apart = (start: number, length: number, otherStart: number, otherLength: number) =>
    start + length <= otherStart || otherStart + otherLength <= start;
  return !apart(one.x, one.w, other.x, other.w) && !apart(one.y, one.h, other.y, other.h);
}
