import type { TraceSpan } from "./trace-span.js";
import type { TraceNode, TraceRoot, TraceTree } from "./trace-tree.js";

/** A span's line in the drawing of its trace. */
export interface TraceRow {
  readonly span: TraceSpan;
  /** Its name behind the lines that lead to it from its parent. */
  readonly label: string;
  /** What lines below it begin with, to stay left of its children. */
  readonly indent: string;
  readonly depth: number;
  /** Since the trace began. */
  readonly atUs: number;
  /** When in the trace it ran. */
  readonly bar: string;
}

interface Place {
  readonly node: TraceNode;
  readonly before: string;
  readonly branch: string;
  readonly depth: number;
}

const barCells = 24;
/** Deeper spans stand below each other. */
const depthShownMax = 40;

/** The lines of a trace from top to bottom, and how long it took in all. */
export function traceRows(tree: TraceTree): {
  readonly rows: TraceRow[];
  readonly startUs: number;
  readonly durationUs: number;
} {
  const places = tree.roots.flatMap(placesOf);
  const spans = places.map(({ node }) => node.span);
  const startUs = spans.reduce(
    (least, span) => Math.min(least, span.startUs),
    Number.POSITIVE_INFINITY,
  );
  const endUs = spans.reduce((most, span) => Math.max(most, span.startUs + span.durationUs), 0);
  const durationUs = Math.max(0, endUs - startUs);
  const rows = places.map(({ node: { span, children }, before, branch, depth }) => ({
    span,
    label: before + branch + span.name,
    depth,
    indent: below(before, branch, depth) + (children.length > 0 ? "│  " : "   "),
    atUs: span.startUs - startUs,
    bar: barOf(span, startUs, durationUs),
  }));
  return { rows, startUs, durationUs };
}

/** Every span of a tree, each before its children. A stack, because a chain of spans may be long. */
function placesOf(root: TraceRoot): Place[] {
  const places: Place[] = [];
  const waiting: Place[] = [{ node: root, before: "", branch: "", depth: 0 }];
  for (let place = waiting.pop(); place !== undefined; place = waiting.pop()) {
    places.push(place);
    const { node, before, branch, depth } = place;
    const inner = below(before, branch, depth);
    const children = node.children.map((child, index) => ({
      node: child,
      before: inner,
      branch: index === node.children.length - 1 ? "└─ " : "├─ ",
      depth: depth + 1,
    }));
    waiting.push(...children.reverse());
  }
  return places;
}

/** The lines that go on below a span. */
function below(before: string, branch: string, depth: number): string {
  if (branch === "" || depth > depthShownMax) return before;
  return before + (branch === "└─ " ? "   " : "│  ");
}

/** The shortest span still takes a cell. */
function barOf({ startUs, durationUs }: TraceSpan, beginUs: number, allUs: number): string {
  const cellOf = (us: number): number => (allUs === 0 ? 0 : ((us - beginUs) / allUs) * barCells);
  const start = Math.min(barCells - 1, Math.floor(cellOf(startUs)));
  const length = Math.round(cellOf(startUs + durationUs)) - start;
  const cells = Math.min(barCells - start, Math.max(1, length));
  return `${" ".repeat(start)}${"█".repeat(cells)}`.padEnd(barCells);
}
