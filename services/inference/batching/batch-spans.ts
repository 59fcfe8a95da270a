import type { MeshError } from "../../../lib/errors.js";
import { type Facts, noSpan, type Span } from "../../../lib/tracing/span.js";
import type { CallSpans } from "./call-spans.js";

/** What is known of the model that runs batches. */
export interface ModelFacts {
  readonly name: string;
  readonly version: string;
  readonly dtype: string;
  readonly device: string;
}

/** One row of a batch, or all of it when it is one of tensors. */
interface Item {
  readonly call: { readonly spans: CallSpans };
  readonly tokenCount: number;
  /** Tensors, which have no tokens. */
  readonly isAlone: boolean;
}

/** What a batch has of one call. */
interface Part {
  rows: number;
  tokens: number;
}

/**
 * The spans of one run of a batch: one of a trace of its own, which the calls share, and for each call one that tells of
 * its part. Begun late, when something became of the run: a batch that is taken back has none.
 */
export class BatchSpans {
  readonly #items: readonly Item[];
  readonly #facts: Facts | undefined;
  readonly #startedAtMs: () => number;
  readonly #parts = new Map<CallSpans, Part>();
  #batch: Span | undefined;

  constructor(
    items: readonly Item[],
    run: {
      readonly model: ModelFacts;
      readonly worker: number;
      /** When the worker came to it. */
      readonly startedAtMs: () => number;
    },
  ) {
    this.#items = items;
    this.#startedAtMs = run.startedAtMs;
    if (!items.some(({ call }) => call.spans.trace.isRecording)) return;
    this.#facts = factsOf(items, run);
    for (const { call, tokenCount, isAlone } of items) {
      const part = this.#parts.get(call.spans) ?? { rows: 0, tokens: 0 };
      part.rows += 1;
      if (!isAlone) part.tokens += tokenCount;
      this.#parts.set(call.spans, part);
    }
  }

  /** A call that nobody waits for any more, while the batch goes on. */
  left(spans: CallSpans, error: MeshError): void {
    const part = this.#parts.get(spans);
    if (part === undefined) return;
    this.#parts.delete(spans);
    this.#begin(spans, part, this.#startedAtMs()).end(error);
  }

  /** The run is over; the model took `computeMs` of it, as far as that is known. */
  ended(endMs: number, outcome: { readonly computeMs?: number; readonly error?: MeshError }): void {
    if (this.#facts === undefined) return;
    const { computeMs, error } = outcome;
    const startMs = Math.max(this.#startedAtMs(), endMs - (computeMs ?? Number.POSITIVE_INFINITY));
    const runs = [...this.#parts].map(([spans, part]) => this.#begin(spans, part, startMs));
    if (computeMs !== undefined) this.#batch?.set("arrowmesh.batch.compute_ms", computeMs);
    this.#batch?.end(error, endMs);
    for (const run of runs) run.end(error, endMs);
  }

  #begin(spans: CallSpans, { rows, tokens }: Part, startMs: number): Span {
    const { trace } = spans;
    spans.began(rows, startMs);
    const span = trace.begin("model_inference", { startMs });
    span.set("arrowmesh.inputs", rows);
    if (tokens > 0) span.set("arrowmesh.tokens", tokens);
    this.#describe(span);
    span.share(this.#shared());
    return span;
  }

  #shared(): Span {
    if (this.#batch !== undefined) return this.#batch;
    const recording = this.#items.find(({ call }) => call.spans.trace.isRecording);
    const { trace } = recording?.call.spans ?? { trace: noSpan };
    this.#batch = trace.beginShared("batch", { startMs: this.#startedAtMs() });
    this.#describe(this.#batch);
    return this.#batch;
  }

  #describe(span: Span): void {
    if (this.#facts !== undefined) span.describe(this.#facts);
  }
}

/** A trace that can be looked at, of those that the batch has in it. */
export function exemplarOf(items: readonly Item[]): string | undefined {
  for (const { call } of items) {
    const id = call.spans.trace.exemplarId();
    if (id !== undefined) return id;
  }
  return undefined;
}

function factsOf(
  items: readonly Item[],
  { model, worker }: { readonly model: ModelFacts; readonly worker: number },
): Facts {
  const facts = {
    "arrowmesh.batch.size": items.length,
    "arrowmesh.worker": worker,
    "arrowmesh.device": model.device,
    "arrowmesh.model": model.name,
    "arrowmesh.model.version": model.version,
    "arrowmesh.model.dtype": model.dtype,
  };
  return items.some(({ isAlone }) => isAlone) ? facts : { ...facts, ...tokensOf(items) };
}

function tokensOf(items: readonly Item[]): Facts {
  const counts = items.map(({ tokenCount }) => tokenCount);
  const tokens = counts.reduce((total, count) => total + count, 0);
  const padded = Math.max(...counts) * items.length;
  return {
    "arrowmesh.batch.tokens": tokens,
    "arrowmesh.batch.padding_tokens": padded - tokens,
    "arrowmesh.batch.padding_ratio": (padded - tokens) / padded,
  };
}
