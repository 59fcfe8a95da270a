import type { TraceRoot, TraceTree } from "./trace-tree.js";

/** More of one kind are counted, not named. */
const namedMax = 8;

/** What is wrong with the shape of a trace, a sentence each; none where it is one tree. */
export function traceProblems({ roots, duplicates }: TraceTree): string[] {
  const orphans = roots.filter(({ kind }) => kind === "orphan");
  const [only] = roots;
  // A lone orphan is how a trace looks that its caller began and sends elsewhere.
  if (roots.length === 1 && only?.kind === "orphan") {
    return [
      `begins below span ${only.span.parentId}, which Jaeger does not have: it is the caller's, or it was lost`,
    ];
  }
  return [
    ...(roots.length > 1 ? [`${roots.length} roots instead of one`] : []),
    ...named(
      orphans,
      ({ span }) => `its parent ${span.parentId} is not here: not sent yet, or lost`,
    ),
    ...named(
      roots.filter(({ kind }) => kind === "cycle"),
      ({ span }) => `it is its own ancestor, by its parent ${span.parentId}`,
    ),
    ...(duplicates.length > 0
      ? [`spans that came twice and are shown once: ${duplicates.length}`]
      : []),
  ];
}

function named(roots: readonly TraceRoot[], reason: (root: TraceRoot) => string): string[] {
  const sentences = roots
    .slice(0, namedMax)
    .map((root) => `span ${root.span.spanId} (${root.span.name}): ${reason(root)}`);
  const more = roots.length - sentences.length;
  return more > 0 ? [...sentences, `and ${more} more of this kind`] : sentences;
}
