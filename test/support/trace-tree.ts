import { equal, ok } from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import type { Collector, Span } from "./otlp-collector.js";

const exportMsMax = 20_000;
/** What a caller says of its own span. */
export const callerSpanId = "b7ad6b7169203331";
/** Clocks of processes of one machine differ by so much. */
const clockToleranceNs = 1_000_000n;

const client = 3;

/** The headers of a caller that keeps the trace. */
export function traceHeaders(traceId: string): Record<string, string> {
  return { traceparent: `00-${traceId}-${callerSpanId}-01` };
}

/** One trace, as a tree below the caller's span. */
export class TraceTree {
  readonly spans: readonly Span[];
  readonly root: Span;
  readonly #byId: ReadonlyMap<string, Span>;

  private constructor(spans: readonly Span[], root: Span) {
    this.spans = spans;
    this.root = root;
    this.#byId = new Map(spans.map((span) => [span.spanId, span]));
  }

  /**
   * Waits until every process has sent its part: the root, each span's parent, what answered each call of another
   * process, and what `isWhole` wants to see.
   */
  static async of(
    collector: Collector,
    traceId: string,
    isWhole: (spans: readonly Span[]) => boolean = () => true,
  ): Promise<TraceTree> {
    const deadline = Date.now() + exportMsMax;
    for (;;) {
      const spans = collector.spans.filter((span) => span.traceId === traceId);
      const ids = new Set(spans.map(({ spanId }) => spanId));
      const root = spans.find(({ parentSpanId }) => !ids.has(parentSpanId));
      const orphans = spans.filter(({ parentSpanId }) => !ids.has(parentSpanId));
      const answered = new Set(spans.map(({ parentSpanId }) => parentSpanId));
      const isAnswered = spans.every(({ kind, spanId }) => kind !== client || answered.has(spanId));
      if (root !== undefined && orphans.length === 1 && isAnswered && isWhole(spans)) {
        return new TraceTree(spans, root);
      }
      ok(Date.now() < deadline, `only ${spans.map(({ name }) => name)}`);
      await sleep(50);
    }
  }

  /** The roles that have a part in it. */
  get roles(): string[] {
    return rolesOf(this.spans);
  }

  all(name: string): readonly Span[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** The only span of this name. */
  one(name: string): Span {
    const [span, ...others] = this.all(name);
    ok(span, `no ${name} among ${this.spans.map((other) => other.name)}`);
    equal(others.length, 0, `several ${name}`);
    return span;
  }

  parentOf(span: Span): Span | undefined {
    return this.#byId.get(span.parentSpanId);
  }

  /** No span begins before its parent or ends after it. */
  requireNested(): void {
    for (const span of this.spans) {
      ok(span.endNs >= span.startNs, `${span.name} ends before it begins`);
      const parent = this.parentOf(span);
      if (parent === undefined) continue;
      const [early, late] = [parent.startNs - span.startNs, span.endNs - parent.endNs];
      ok(early <= clockToleranceNs, `${span.name} begins ${early} ns before ${parent.name}`);
      ok(late <= clockToleranceNs, `${span.name} ends ${late} ns after ${parent.name}`);
    }
  }
}

export function rolesOf(spans: readonly Span[]): string[] {
  return [...new Set(spans.map(({ role }) => role))].filter(Boolean).sort();
}
