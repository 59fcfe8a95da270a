import type { TraceSpan } from "./trace-span.js";

/** A span among its children, which stand in the order in which they began. */
export interface TraceNode {
  readonly span: TraceSpan;
  readonly children: readonly TraceNode[];
}

/** Where a tree begins. */
export interface TraceRoot extends TraceNode {
  /**
   * `begins`: it names no parent; `orphan`: its parent is not in the trace; `cycle`: it is, by its parents, its own
   * ancestor, and the tree was cut above it.
   */
  readonly kind: "begins" | "orphan" | "cycle";
}

export interface TraceTree {
  /** One where all is well, the earliest first. */
  readonly roots: readonly TraceRoot[];
  /** Spans that came again with an id that was there; they are not in the tree. */
  readonly duplicates: readonly TraceSpan[];
}

interface GrowingNode extends TraceNode {
  readonly children: GrowingNode[];
}

/** The spans of one trace as trees: every span once, whatever they say of their parents. */
export function growTree(spans: readonly TraceSpan[]): TraceTree {
  const nodes = new Map<string, GrowingNode>();
  const duplicates: TraceSpan[] = [];
  for (const span of [...spans].sort(byStart)) {
    if (nodes.has(span.spanId)) duplicates.push(span);
    else nodes.set(span.spanId, { span, children: [] });
  }
  const tops: GrowingNode[] = [];
  for (const node of nodes.values()) {
    const { parentId } = node.span;
    const parent = parentId === undefined ? undefined : nodes.get(parentId);
    if (parent === undefined) tops.push(node);
    else parent.children.push(node);
  }
  const roots: TraceRoot[] = tops.map(({ span, children }) => ({
    span,
    children,
    kind: span.parentId === undefined ? "begins" : "orphan",
  }));
  roots.push(...cutCycles(nodes, tops));
  return { roots: roots.sort((a, b) => byStart(a.span, b.span)), duplicates };
}

/** What no top leads to hangs below a cycle; each is cut above its earliest span. */
function cutCycles(
  nodes: ReadonlyMap<string, GrowingNode>,
  tops: readonly GrowingNode[],
): TraceRoot[] {
  const reached = new Set<GrowingNode>();
  const reach = (start: GrowingNode): void => {
    const waiting = [start];
    for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
      reached.add(node);
      waiting.push(...node.children.filter((child) => !reached.has(child)));
    }
  };
  for (const top of tops) reach(top);
  const roots: TraceRoot[] = [];
  for (const node of nodes.values()) {
    if (reached.has(node)) continue;
    const first = firstOfCycle(node, nodes);
    const parent = nodes.get(first.span.parentId ?? "");
    parent?.children.splice(parent.children.indexOf(first), 1);
    reach(first);
    roots.push({ ...first, kind: "cycle" });
  }
  return roots;
}

/** The earliest span of the cycle that the parents of this one lead into. */
function firstOfCycle(start: GrowingNode, nodes: ReadonlyMap<string, GrowingNode>): GrowingNode {
  const parentOf = (node: GrowingNode): GrowingNode => nodes.get(node.span.parentId ?? "") ?? node;
  const passed = new Set<GrowingNode>();
  let entry = start;
  for (; !passed.has(entry); entry = parentOf(entry)) passed.add(entry);
  let first = entry;
  for (let node = parentOf(entry); node !== entry; node = parentOf(node)) {
    if (byStart(node.span, first.span) < 0) first = node;
  }
  return first;
}

/** By their start, and at the same moment by their id, so that an order is always the same. */
function byStart(a: TraceSpan, b: TraceSpan): number {
  return a.startUs - b.startUs || (a.spanId < b.spanId ? -1 : Number(a.spanId > b.spanId));
}
