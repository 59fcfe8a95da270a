import { Counter, type Registry } from "prom-client";

export interface ExportMetrics {
  /** What became of spans that were kept. */
  countSpans(exporter: string, outcome: "exported" | "failed" | "dropped", count: number): void;
  countPassedOver(): void;
}

/** Declared also where nothing is traced, so that dashboards find the names. */
export function createExportMetrics(registry: Registry): ExportMetrics {
  const spans = new Counter({
    name: "arrowmesh_trace_spans_total",
    help: "Spans of kept traces: exported; failed with their exporter; dropped because too many waited for it.",
    labelNames: ["exporter", "outcome"],
    registers: [registry],
  });
  const passedOver = new Counter({
    name: "arrowmesh_traces_passed_over_total",
    help: "Failed or slow requests whose traces were not kept, because there were too many a second.",
    registers: [registry],
  });
  return {
    countSpans: (exporter, outcome, count) => spans.inc({ exporter, outcome }, count),
    countPassedOver: () => passedOver.inc(),
  };
}
