import { traceProblems } from "./trace-problems.js";
import { traceRows } from "./trace-rows.js";
import type { TraceTree } from "./trace-tree.js";

/** A trace for programs: its spans from top to bottom with their depth, and what is wrong with its shape. */
export function traceJson(tree: TraceTree): string {
  const { rows, startUs, durationUs } = traceRows(tree);
  const trace = {
    traceId: rows[0]?.span.traceId,
    startUs,
    durationUs,
    problems: traceProblems(tree),
    roots: tree.roots.map(({ kind, span }) => ({ spanId: span.spanId, kind })),
    spans: rows.map(({ span, depth, atUs }) => ({ depth, atUs, ...span })),
  };
  return `${JSON.stringify(trace, undefined, 2)}\n`;
}
