import { context } from "@opentelemetry/api";
import { type ExportResult, ExportResultCode, suppressTracing } from "@opentelemetry/core";
import type { ReadableSpan, SpanProcessor } from "@opentelemetry/sdk-trace";
import type { Clock } from "../clock.js";
import type { BatchExporter, SpanBatch } from "./span-batch.js";

/** How long the end of the process waits for what is left to go out. */
export const flushMsMax = 5_000;

const endReason = "the process ends";

export interface SpanQueueOptions {
  readonly exporter: BatchExporter;
  readonly clock: Clock;
  /** How long spans wait for others. */
  readonly waitMsMax: number;
  readonly exportMsMax: number;
  readonly queueSpansMax: number;
  readonly batchSpansMax: number;
  readonly count: (outcome: "exported" | "failed" | "dropped", spans: number) => void;
  /** Told of every failure and drop; how often it speaks is its own matter. */
  readonly warn: (reason: string) => void;
}

/**
 * What waits for one exporter. Unlike OpenTelemetry's own processor it takes, drops and exports the spans of a request
 * together, so that none is there without its parent; it counts; and its end has a deadline. Nobody ever waits for it.
 */
export class SpanQueue implements SpanProcessor {
  readonly #options: SpanQueueOptions;
  /** The oldest first; only the last grows. */
  #waiting: SpanBatch[] = [];
  /** Spans of all that wait. */
  #size = 0;
  #exporting: Promise<void> | undefined;
  #cancelTimer: (() => void) | undefined;
  #isEnding = false;
  #ended: Promise<void> | undefined;

  constructor(options: SpanQueueOptions) {
    this.#options = options;
  }

  /** Spans of one trace that have ended: all of them, or none if there is no room. */
  add(spans: readonly ReadableSpan[]): void {
    const { queueSpansMax, batchSpansMax, clock, waitMsMax } = this.#options;
    const isFull = this.#size + spans.length > queueSpansMax;
    if (isFull || this.#isEnding) {
      this.#drop(spans.length, isFull ? `${queueSpansMax} spans wait already` : endReason);
      return;
    }
    this.#batchFor(spans.length).add(spans);
    this.#size += spans.length;
    if (this.#exporting !== undefined) return;
    if (this.#size >= batchSpansMax) void this.#export();
    else this.#cancelTimer ??= clock.at(clock.nowMs() + waitMsMax, () => this.#export());
  }

  onStart(): void {}

  /** Spans that others have made by OpenTelemetry's API. */
  onEnd(span: ReadableSpan): void {
    if ((span.spanContext().traceFlags & 1) !== 0) this.add([span]);
  }

  /** Resolves when all that waits now has gone out, or failed to. */
  async forceFlush(): Promise<void> {
    await this.#exporting;
    while (this.#size > 0) await this.#export();
  }

  /** Sends what is left, and resolves within `flushMsMax` whatever the exporter does. */
  shutdown(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  async #end(): Promise<void> {
    const { exporter } = this.#options;
    this.#isEnding = true;
    const flushed = this.forceFlush().then(() => exporter.shutdown());
    await this.#within(flushMsMax, flushed).catch((error: unknown) => {
      this.#options.warn(String(error));
    });
    const left = this.#size;
    this.#waiting = [];
    this.#size = 0;
    if (left > 0) this.#drop(left, endReason);
  }

  /** Exports batches one after the other until too little is left for one. */
  #export(): Promise<void> {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#exporting ??= this.#exportBatches().finally(() => {
      this.#exporting = undefined;
      const { clock, waitMsMax } = this.#options;
      if (this.#size === 0 || this.#isEnding) return;
      this.#cancelTimer ??= clock.at(clock.nowMs() + waitMsMax, () => this.#export());
    });
    return this.#exporting;
  }

  async #exportBatches(): Promise<void> {
    const { exportMsMax, batchSpansMax, count, warn } = this.#options;
    do {
      const batch = this.#waiting.shift();
      if (batch === undefined) return;
      this.#size -= batch.size;
      try {
        await this.#within(exportMsMax, this.#send(batch));
        count("exported", batch.size);
      } catch (error) {
        count("failed", batch.size);
        warn(error instanceof Error ? error.message : String(error));
      }
    } while (this.#size >= batchSpansMax);
  }

  /** Whole traces go together as long as they fit; a larger one goes alone. */
  #batchFor(spans: number): SpanBatch {
    const last = this.#waiting.at(-1);
    if (last !== undefined && last.size + spans <= this.#options.batchSpansMax) return last;
    const batch = this.#options.exporter.open();
    this.#waiting.push(batch);
    return batch;
  }

  #send(batch: SpanBatch): Promise<void> {
    return new Promise((resolve, reject) => {
      const onResult = ({ code, error }: ExportResult): void => {
        if (code === ExportResultCode.SUCCESS) resolve();
        else reject(error ?? new Error("the exporter gave no reason"));
      };
      // What an instrumented HTTP client does for an export must not become a trace of its own.
      context.with(suppressTracing(context.active()), () => {
        batch.export(onResult);
      });
    });
  }

  #within(msMax: number, work: Promise<void>): Promise<void> {
    const { clock } = this.#options;
    return new Promise((resolve, reject) => {
      const cancel = clock.at(clock.nowMs() + msMax, () => {
        reject(new Error(`no answer within ${msMax} ms`));
      });
      work.then(resolve, reject).finally(cancel);
    });
  }

  #drop(spans: number, reason: string): void {
    this.#options.count("dropped", spans);
    this.#options.warn(`spans are dropped: ${reason}`);
  }
}
