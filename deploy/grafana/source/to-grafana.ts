import type { Dashboard, Panel, Query, Row, Threshold } from "./dashboard.js";

/** A dashboard as Grafana reads it from a file (schema 39: Grafana 10.3 and later). */
export function toGrafana(dashboard: Dashboard): object {
  const { uid, title, description, rows } = dashboard;
  return {
    uid,
    title,
    description,
    tags: ["arrowmesh"],
    schemaVersion: 39,
    version: 1,
    editable: true,
    graphTooltip: 1,
    refresh: "10s",
    time: { from: "now-1h", to: "now" },
    timezone: "browser",
    links: [links],
    annotations: { list: annotations },
    templating: { list: variablesOf(dashboard) },
    panels: toPanels(rows),
  };
}

const columns = 24;
const heights: Readonly<Record<Panel["kind"], number>> = {
  stat: 4,
  timeseries: 8,
  heatmap: 8,
  table: 8,
};
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana fills it in.
const datasource = { type: "prometheus", uid: "${datasource}" };

/** From each dashboard to the others, which show the same time and the same mesh. */
const links = {
  type: "dashboards",
  title: "Arrowmesh",
  tags: ["arrowmesh"],
  asDropdown: false,
  includeVars: true,
  keepTime: true,
  icon: "external link",
};

const annotations = [
  annotation({
    name: "Alerts",
    color: "red",
    expr: 'ALERTS{job="$job",alertstate="firing"}',
    title: "{{alertname}}",
    text: "{{severity}} {{instance}} {{model}}",
  }),
  annotation({
    name: "Starts",
    color: "blue",
    expr: 'changes(process_start_time_seconds{job="$job"}[$__interval]) > 0',
    title: "Started",
    text: "{{instance}}",
  }),
];

function annotation(event: {
  readonly name: string;
  readonly color: string;
  readonly expr: string;
  readonly title: string;
  readonly text: string;
}): object {
  const { name, color, expr, title, text } = event;
  return {
    name,
    datasource,
    enable: true,
    iconColor: color,
    expr,
    titleFormat: title,
    textFormat: text,
    step: "15s",
  };
}

function variablesOf({ variables }: Dashboard): object[] {
  const all = {
    multi: true,
    includeAll: true,
    allValue: ".*",
    current: { text: "All", value: "$__all" },
  };
  const query = (name: string, label: string, metric: string, choice: object) => ({
    name,
    label,
    type: "query",
    datasource,
    query: { query: `label_values(${metric}, ${name})`, refId: name },
    refresh: 2,
    sort: 1,
    ...choice,
  });
  const known = {
    instance: query("instance", "Instance", 'up{job="$job"}', all),
    model: query("model", "Model", 'arrowmesh_inference_model_loaded{job="$job"}', all),
  };
  return [
    { name: "datasource", label: "Data source", type: "datasource", query: "prometheus" },
    query("job", "Mesh", "arrowmesh_build_info", { multi: false, includeAll: false }),
    ...variables.map((name) => known[name]),
  ];
}

/** Rows one below the other, their panels from left to right. */
function toPanels(rows: readonly Row[]): object[] {
  const panels: object[] = [];
  let y = 0;
  const place = (panel: object, x: number, w: number, h: number) =>
    panels.push({ id: panels.length + 1, gridPos: { x, y, w, h }, ...panel });
  for (const row of rows) {
    place({ type: "row", title: row.title, collapsed: false, panels: [] }, 0, columns, 1);
    y += 1;
    let x = 0;
    let lineHeight = 0;
    for (const panel of row.panels) {
      if (x + panel.width > columns) {
        x = 0;
        y += lineHeight;
        lineHeight = 0;
      }
      place(toPanel(panel), x, panel.width, heights[panel.kind]);
      x += panel.width;
      lineHeight = Math.max(lineHeight, heights[panel.kind]);
    }
    y += lineHeight;
  }
  return panels;
}

function toPanel(panel: Panel): object {
  const { kind, title, description, unit, thresholds = [], words } = panel;
  return {
    type: kind,
    title,
    description,
    datasource,
    targets: panel.queries.map((query, index) => toTarget(query, index, kind)),
    fieldConfig: {
      defaults: {
        unit,
        // A ratio or a count below zero is none; heatmaps and words have no axis.
        ...(kind === "timeseries" && { min: 0, custom: lines(panel) }),
        thresholds: { mode: "absolute", steps: toSteps(thresholds) },
        mappings: words === undefined ? [] : [{ type: "value", options: words }],
      },
      overrides: [],
    },
    options: optionsOf(panel),
  };
}

function toTarget({ expr, legend, hasExemplars }: Query, index: number, kind: Panel["kind"]) {
  return {
    refId: String.fromCharCode("A".charCodeAt(0) + index),
    datasource,
    expr,
    legendFormat: legend,
    exemplar: hasExemplars ?? false,
    ...(kind === "heatmap" && { format: "heatmap" }),
    ...(kind === "table" && { format: "table" }),
    // A table shows what is; all others what was, too.
    ...(kind === "table" ? { instant: true, range: false } : { instant: false, range: true }),
  };
}

function lines({ isStacked = false, thresholds = [] }: Panel): object {
  return {
    drawStyle: "line",
    lineWidth: 1,
    fillOpacity: isStacked ? 30 : 0,
    showPoints: "never",
    stacking: { mode: isStacked ? "normal" : "none", group: "A" },
    thresholdsStyle: { mode: thresholds.length === 0 ? "off" : "dashed" },
  };
}

function toSteps(thresholds: readonly Threshold[]): object[] {
  return [
    { color: "green", value: null },
    ...thresholds.map(({ from, color }) => ({ color, value: from })),
  ];
}

function optionsOf({ kind, queries }: Panel): object {
  const options: Readonly<Record<Panel["kind"], object>> = {
    stat: {
      reduceOptions: { calcs: ["lastNotNull"], fields: "", values: false },
      colorMode: "value",
      graphMode: "area",
      textMode: queries.some(({ legend }) => legend.includes("{{")) ? "value_and_name" : "value",
    },
    timeseries: {
      legend: {
        displayMode: "table",
        placement: "bottom",
        calcs: ["mean", "max"],
        showLegend: true,
      },
      tooltip: { mode: "multi", sort: "desc" },
    },
    heatmap: {
      calculate: false,
      yAxis: { unit: "short" },
      color: { mode: "scheme", scheme: "Blues", steps: 32 },
      cellGap: 1,
      legend: { show: true },
      tooltip: { mode: "single", yHistogram: true },
    },
    table: { showHeader: true, cellHeight: "sm" },
  };
  return options[kind];
}
