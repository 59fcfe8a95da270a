import { MeshError } from "../../lib/errors.js";
import { type BatchLimits, BatchQueue } from "./batch-queue.js";
import type { InferenceMetrics } from "./metrics.js";
import { type Model, WorkerLost } from "./model.js";

/** A batch whose worker died runs once more, then its calls fail. */
const attemptsMax = 2;
const overloadRetryMs = 1_000;

/** One call of the service: several sequences, one answer. */
interface Call {
  /** Shape [sequences, dimensions]; filled row by row as batches finish. */
  readonly vectors: Float32Array;
  readonly normalize: boolean;
  missingRows: number;
  /** Answered or failed: nobody waits for its rows any more. */
  isSettled: boolean;
  settle(error?: MeshError): void;
}

/** One sequence of a call. */
interface Row {
  readonly call: Call;
  readonly index: number;
  readonly ids: readonly number[];
  readonly tokenCount: number;
  attempts: number;
}

/** Feeds idle workers from the queue and hands rows back to their calls. */
export class BatchRunner {
  readonly #queue: BatchQueue<Row>;
  readonly #model: Model;
  readonly #dimensions: number;
  readonly #metrics: InferenceMetrics;
  #isPumpPlanned = false;

  constructor(
    limits: BatchLimits,
    deps: {
      readonly model: Model;
      readonly dimensions: number;
      readonly metrics: InferenceMetrics;
    },
  ) {
    this.#queue = new BatchQueue(limits);
    this.#model = deps.model;
    this.#dimensions = deps.dimensions;
    this.#metrics = deps.metrics;
    this.#model.onIdle = () => this.#pump();
    this.#metrics.observeQueue(() => this.#queue.length);
  }

  /**
   * Vectors of shape [sequences, dimensions], row-major. Rejects with `overloaded` when the queue is full,
   * `unavailable` when workers died twice, `internal` when the model failed, and the signal's reason when aborted.
   */
  run(
    sequences: readonly (readonly number[])[],
    options: { readonly normalize: boolean; readonly signal: AbortSignal },
  ): Promise<Float32Array> {
    const { normalize, signal } = options;
    if (signal.aborted) return Promise.reject(signal.reason);
    return new Promise((resolve, reject) => {
      const onAbort = (): void => call.settle(signal.reason);
      const call: Call = {
        vectors: new Float32Array(sequences.length * this.#dimensions),
        normalize,
        missingRows: sequences.length,
        isSettled: false,
        settle: (error) => {
          call.isSettled = true;
          signal.removeEventListener("abort", onAbort);
          if (error === undefined) return resolve(call.vectors);
          this.#queue.remove((row) => row.call === call);
          reject(error);
        },
      };
      const rows = sequences.map((ids, index) => {
        return { call, index, ids, tokenCount: ids.length, attempts: 0 };
      });
      if (!this.#queue.offer(rows)) {
        this.#metrics.shed.inc(rows.length);
        throw new MeshError("overloaded", "Model is overloaded", { retryAfterMs: overloadRetryMs });
      }
      signal.addEventListener("abort", onAbort, { once: true });
      this.#planPump();
    });
  }

  /** Waits for the rest of this turn of the event loop, so that what arrives together runs together. */
  #planPump(): void {
    if (this.#isPumpPlanned) return;
    this.#isPumpPlanned = true;
    setImmediate(() => {
      this.#isPumpPlanned = false;
      this.#pump();
    });
  }

  #pump(): void {
    for (;;) {
      const rows = this.#queue.take(this.#model.idleCount);
      if (rows.length === 0) return;
      void this.#runBatch(rows);
    }
  }

  async #runBatch(rows: readonly Row[]): Promise<void> {
    this.#metrics.observeBatch(rows.map((row) => row.tokenCount));
    try {
      const vectors = await this.#model.run({
        sequences: rows.map((row) => row.ids),
        normalize: rows.map((row) => row.call.normalize),
      });
      for (const [position, row] of rows.entries()) this.#deliver(row, vectors, position);
    } catch (error) {
      if (error instanceof WorkerLost) this.#retry(rows);
      else for (const row of rows) row.call.settle(modelFailed(error));
    }
  }

  #deliver({ call, index }: Row, vectors: Float32Array, position: number): void {
    const from = position * this.#dimensions;
    call.vectors.set(vectors.subarray(from, from + this.#dimensions), index * this.#dimensions);
    call.missingRows -= 1;
    if (call.missingRows === 0) call.settle();
  }

  #retry(rows: readonly Row[]): void {
    const hopeful: Row[] = [];
    for (const row of rows) {
      if (row.call.isSettled) continue;
      row.attempts += 1;
      if (row.attempts < attemptsMax) hopeful.push(row);
      else
        row.call.settle(
          new MeshError("unavailable", "the model worker died", { retryAfterMs: 1_000 }),
        );
    }
    this.#queue.putBack(hopeful);
    this.#planPump();
  }
}

function modelFailed(cause: unknown): MeshError {
  return new MeshError("internal", "the model failed", { cause });
}
