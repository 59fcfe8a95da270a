import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../test/support/random.js";
import { traceSpan } from "../../test/support/trace-span.js";
import { traceProblems } from "./trace-problems.js";
import type { TraceSpan } from "./trace-span.js";
import { growTree, type TraceNode } from "./trace-tree.js";

test("spans in any order become one tree, children in the order in which they began", () => {
  const tree = growTree([
    traceSpan("c", "a", { startUs: 3 }),
    traceSpan("d", "b", { startUs: 4 }),
    traceSpan("a", undefined, { startUs: 1 }),
    traceSpan("b", "a", { startUs: 2 }),
  ]);
  deepEqual(tree.roots.map(shape), ["a(b(d) c)"]);
  deepEqual(traceProblems(tree), []);
});

test("a root whose parent is elsewhere is told, without more fuss than that", () => {
  const tree = growTree([traceSpan("a", "f00d"), traceSpan("b", "a")]);
  deepEqual(tree.roots.map(shape), ["a(b)"]);
  deepEqual(traceProblems(tree), [
    "begins below span f00d, which Jaeger does not have: it is the caller's, or it was lost",
  ]);
});

test("several roots, orphans, cycles and duplicates are each told by name", () => {
  const tree = growTree([
    traceSpan("a", undefined, { startUs: 1 }),
    traceSpan("b", undefined, { startUs: 2 }),
    traceSpan("c", "f00d", { startUs: 3 }),
    traceSpan("d", "e", { startUs: 5 }),
    traceSpan("e", "d", { startUs: 4 }),
    traceSpan("f", "d", { startUs: 6 }),
    traceSpan("g", "g", { startUs: 7 }),
    traceSpan("a", "b", { startUs: 8 }),
  ]);
  deepEqual(tree.roots.map(shape), ["a", "b", "c", "e(d(f))", "g"]);
  deepEqual(traceProblems(tree), [
    "5 roots instead of one",
    "span c (span c): its parent f00d is not here: not sent yet, or lost",
    "span e (span e): it is its own ancestor, by its parent d",
    "span g (span g): it is its own ancestor, by its parent g",
    "spans that came twice and are shown once: 1",
  ]);
});

test("more orphans than a person reads are counted", () => {
  const orphans = Array.from({ length: 30 }, (_, index) => traceSpan(`${index}`, "f00d"));
  const problems = traceProblems(growTree(orphans));
  equal(problems.length, 10);
  equal(problems.at(-1), "and 22 more of this kind");
});

test("a chain of ten thousand spans is a tree", () => {
  const chain = Array.from({ length: 10_000 }, (_, index) =>
    traceSpan(`${index}`, index === 0 ? undefined : `${index - 1}`, { startUs: index }),
  );
  equal(countOf(growTree(chain.reverse())), 10_000);
});

test("every span stands in the forest exactly once, whatever parents they name", (t) => {
  const random = seeded(t);
  for (let round = 0; round < 500; round += 1) {
    const count = 1 + random.int(12);
    const spans = Array.from({ length: count }, (_, index) => {
      const parent = random.int(count + 2);
      return traceSpan(`${index}`, parent > count ? undefined : `${parent}`, {
        startUs: random.int(5),
      });
    });
    const tree = growTree(spans);
    const ids = idsOf(tree.roots);
    deepEqual([...ids].sort(), spans.map(({ spanId }) => spanId).sort());
    for (const { kind, span } of tree.roots)
      ok(kind === kindOf(span, spans), `${kind} ${span.spanId}`);
  }
});

/** What a root is, by the plainest definition. */
function kindOf(root: TraceSpan, spans: readonly TraceSpan[]): string {
  const parentOf = (span: TraceSpan) => spans.find(({ spanId }) => spanId === span.parentId);
  if (root.parentId === undefined) return "begins";
  let ancestor = parentOf(root);
  if (ancestor === undefined) return "orphan";
  for (let step = 0; step < spans.length && ancestor !== root; step += 1) {
    ancestor = ancestor && parentOf(ancestor);
  }
  return ancestor === root ? "cycle" : "none";
}

function shape({ span, children }: TraceNode): string {
  const inner = children.map(shape).join(" ");
  return inner === "" ? span.spanId : `${span.spanId}(${inner})`;
}

function idsOf(nodes: readonly TraceNode[]): string[] {
  return nodes.flatMap(({ span, children }) => [span.spanId, ...idsOf(children)]);
}

function countOf({ roots }: { readonly roots: readonly TraceNode[] }): number {
  let count = 0;
  const waiting = [...roots];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    count += 1;
    waiting.push(...node.children);
  }
  return count;
}
