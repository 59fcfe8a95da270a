import { charts } from "./charts.js";
import { DataTable } from "./data-table.js";
import { byId, setAttributes, setText } from "./element.js";
import type { History } from "./history.js";
import { LineChart } from "./line-chart.js";
import { breakerRows, limitRows, methodRows, modelRows, processRows } from "./rows.js";
import { summaryOf } from "./summary.js";

/** Everything that changes with an answer. */
export interface Page {
  /** Draws what is known. */
  show(history: History, nowMs: number): void;
  /** Says how the page is connected; `away` dims what is shown, because it is old. */
  connect(state: "live" | "paused" | "away", text: string): void;
}

export function openPage(): Page {
  const drawn = charts.map((spec) => new LineChart(spec));
  byId("charts", HTMLElement).append(...drawn.map(({ root }) => root));
  const tables = openTables();
  const banner = byId("banner", HTMLElement);
  const content = byId("content", HTMLElement);
  return {
    show(history, nowMs) {
      content.hidden = false;
      for (const chart of drawn) chart.show(history.points, nowMs);
      const { processes, spans } = history;
      tables.processes.show(processRows(processes, spans));
      tables.models.show(modelRows(spans));
      tables.methods.show(methodRows(spans));
      tables.limits.show(limitRows(spans));
      tables.breakers.show(breakerRows(spans));
      const { level, text } = summaryOf(processes);
      setAttributes(banner, { "data-level": level });
      setText(banner, text);
    },
    connect(state, text) {
      document.body.classList.toggle("stale", state === "away");
      setAttributes(byId("connection", HTMLElement), { "data-state": state });
      setText(byId("connection-text", HTMLElement), text);
      if (state !== "away") return;
      setAttributes(banner, { "data-level": "bad" });
      setText(banner, text);
    },
  };
}

function openTables() {
  const table = (id: string, first: string, titles: readonly string[], empty: string) => {
    const columns = [first, ...titles].map((title) => ({ title, isWords: words.has(title) }));
    const made = new DataTable(first, columns, empty);
    byId(id, HTMLElement).append(made.root);
    return made;
  };
  const processes = [
    "State",
    "Calls",
    "CPU",
    "Event loop",
    "Memory",

    "Connections",
    "Up",
    "Version",
  ];
  const models = [
    "State",
    "Waiting",
    "Texts",
    "Tokens",
    "Batch",
    "Run p50",
    "Shed",
    "Expired",
    "Restarts",
  ];
  const methods = ["Rate", "Refused", "Failed", "p50", "p99", "Total"];
  const limits = ["Allowed", "Refused", "All refused", "Shadow", "Degraded"];
  return {
    processes: table("processes", "Roles", processes, "No process is known."),
    models: table("models", "Model", models, "No process that serves models answers."),
    methods: table("methods", "Method", methods, "No requests yet. Send one above."),
    limits: table("limits", "Limit", limits, noLimits),
    breakers: table("breakers", "Guards", ["State", "Failures"], noBreakers),
  };
}

const words = new Set(["State", "Version"]);
const noLimits =
  "No limit has decided anything yet. By default, callers on this machine have none.";
const noBreakers = "None: these processes wait for nothing outside of the mesh.";
