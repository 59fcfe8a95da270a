import type { TraceSpan } from "../../lib/jaeger/trace-span.js";
import { growTree, type TraceNode, type TraceRoot } from "../../lib/jaeger/trace-tree.js";

export interface TraceExpectation {
  /** The span that the caller said is the parent; undefined: the trace begins in the mesh. */
  readonly callerSpanId?: string | undefined;
  /** Services that must have a part in it. */
  readonly services: readonly string[];
}

/** What can be wrong with a trace. */
export type TraceFaultKind =
  | "missing"
  | "orphan"
  | "several roots"
  | "cycle"
  | "duplicate"
  | "wrong parent"
  | "missing service"
  | "clock"
  | "warning";

export interface TraceFault {
  readonly kind: TraceFaultKind;
  readonly text: string;
}

/** Processes of one machine have the same clock; what is left is rounding, and each process's idea of its own start. */
const clockToleranceUs = 1_000;
/** Nothing here takes as long; a negative duration, which Jaeger shows without its sign, does. */
const durationUsMax = 3_600_000_000;

/** Everything that is wrong with a trace, as Jaeger has it; none for one whole tree. */
export function traceFaults(
  spans: readonly TraceSpan[],
  { callerSpanId, services }: TraceExpectation,
): TraceFault[] {
  if (spans.length === 0) return [{ kind: "missing", text: "Jaeger has no such trace" }];
  const { roots, duplicates } = growTree(spans);
  const present = new Set(spans.map(({ service }) => service));
  const absent = services.filter((service) => !present.has(service));
  return [
    ...roots.flatMap((root) => rootFaults(root, callerSpanId)),
    ...(roots.length > 1
      ? [
          {
            kind: "several roots",
            text: roots.map(({ span }) => titleOf(span)).join("; "),
          } as const,
        ]
      : []),
    ...duplicates.map((span) => ({ kind: "duplicate", text: titleOf(span) }) as const),
    ...roots.flatMap(clockFaults).map((text) => ({ kind: "clock", text }) as const),
    ...spans.flatMap((span) => warningFaults(span, callerSpanId)),
    ...absent.map((text) => ({ kind: "missing service", text }) as const),
  ];
}

function rootFaults({ kind, span }: TraceRoot, callerSpanId: string | undefined): TraceFault[] {
  const text = titleOf(span);
  if (kind === "cycle") return [{ kind: "cycle", text }];
  if (kind === "orphan") return span.parentId === callerSpanId ? [] : [{ kind: "orphan", text }];
  return callerSpanId === undefined ? [] : [{ kind: "wrong parent", text: `${text} has none` }];
}

function warningFaults(span: TraceSpan, callerSpanId: string | undefined): TraceFault[] {
  return (
    span.warnings
      // The caller's span is elsewhere, which Jaeger cannot know.
      .filter((warning) => callerSpanId === undefined || !warning.includes(callerSpanId))
      .map((warning) => ({ kind: "warning", text: `${titleOf(span)}: ${warning}` }))
  );
}

function clockFaults(root: TraceNode): string[] {
  const faults: string[] = [];
  const waiting: TraceNode[] = [root];
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    const { span: parent, children } = node;
    const endUs = parent.startUs + parent.durationUs;
    if (parent.durationUs < 0 || parent.durationUs > durationUsMax) {
      faults.push(`${titleOf(parent)} takes ${parent.durationUs} us`);
    }
    for (const { span } of children) {
      const earlyUs = parent.startUs - span.startUs;
      const lateUs = span.startUs + span.durationUs - endUs;
      if (earlyUs > clockToleranceUs) {
        faults.push(`${titleOf(span)} begins ${earlyUs} us before ${titleOf(parent)}`);
      }
      if (lateUs > clockToleranceUs) {
        faults.push(`${titleOf(span)} ends ${lateUs} us after ${titleOf(parent)}`);
      }
    }
    waiting.push(...children);
  }
  return faults;
}

function titleOf({ service, name, spanId }: TraceSpan): string {
  return `${service} ${name} (${spanId})`;
}
