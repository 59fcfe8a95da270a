import type { ExportResult } from "@opentelemetry/core";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";

/** Spans that go out together. */
export interface SpanBatch {
  /** Number of its spans. */
  readonly size: number;
  add(spans: readonly ReadableSpan[]): void;
  /** Sends them, once; `done` hears what became of it. */
  export(done: (result: ExportResult) => void): void;
}

/** An exporter with its own way to hold spans until they go. */
export interface BatchExporter {
  open(): SpanBatch;
  shutdown(): Promise<void>;
}

/** The batches that `open` makes, and the exporter that takes them. */
export function inBatches<B extends Pick<SpanBatch, "size" | "add">>(
  open: () => B,
  exporter: {
    export(batch: B, done: (result: ExportResult) => void): void;
    shutdown(): Promise<void>;
  },
): BatchExporter {
  return {
    open() {
      const batch = open();
      return {
        get size() {
          return batch.size;
        },
        add: (spans) => batch.add(spans),
        export: (done) => exporter.export(batch, done),
      };
    },
    shutdown: () => exporter.shutdown(),
  };
}

/** Batches for an exporter that takes spans as they are. */
export function inLists(exporter: SpanExporter): BatchExporter {
  return inBatches(() => new SpanList(), {
    export: ({ spans }, done) => exporter.export(spans, done),
    shutdown: () => exporter.shutdown(),
  });
}

class SpanList {
  readonly spans: ReadableSpan[] = [];

  get size(): number {
    return this.spans.length;
  }

  add(spans: readonly ReadableSpan[]): void {
    this.spans.push(...spans);
  }
}
