import type { NamedTensor } from "../models/served-model.js";

/** What a row of a batch is turned into. */
export type RowOutput =
  /** The pooled vector: shape [dimensions]. */
  | "vector"
  /** The same with length 1. */
  | "unit_vector"
  /** Token vectors: shape [tokens, hidden size]. */
  | "token_vectors"
  /** The logits of a classifier: shape [labels]. */
  | "logits"
  /** The logits of the first head, second head, ... over the unit vector: shape [labels]. */
  | { readonly head: number }
  /** Pairs of id (bits of a uint32) and weight, ids ascending: shape [pairs, 2]. */
  | "sparse";

export interface Row {
  readonly ids: readonly number[];
  /** Empty means all 0. */
  readonly typeIds: readonly number[];
  readonly output: RowOutput;
}

/** Sequences that run together. */
export interface SequenceBatch {
  readonly kind: "sequences";
  readonly rows: readonly Row[];
}

/** A request of raw tensors, which runs by itself. */
export interface TensorBatch {
  readonly kind: "tensors";
  readonly inputs: readonly NamedTensor[];
  readonly outputNames: readonly string[];
}

export type Batch = SequenceBatch | TensorBatch;

/** Who waits for a batch; exactly one of the four is called, once. */
export interface BatchListener {
  /**
   * The numbers of one row stand in memory that the next batch overwrites: copy them before this returns.
   * `computeMs` is what the model took.
   */
  rows(read: (row: number) => Float32Array, computeMs: number): void;
  tensors(outputs: readonly NamedTensor[], computeMs: number): void;
  /** The worker died; the batch may run again elsewhere. One that had begun may be why. */
  lost(hadBegun: boolean): void;
  failed(error: Error): void;
}

export interface StartedBatch {
  /** Which of the workers has it, from 0. */
  readonly worker: number;
  /**
   * When the worker came to it; undefined as long as it stands behind another. No accessor: one of an object literal takes
   * V8 a hidden class each, which keeps the batch and its calls until the next full collection.
   */
  startedAtMs(): number | undefined;
  /** Takes the batch back if it has not begun to run; then nobody is told anything. */
  revoke(): boolean;
}

/** Whatever can run batches, several at a time. */
export interface Engine {
  readonly workerCount: number;
  /** Workers that have nothing to do. */
  readonly idleCount: number;
  /** Workers that run a batch and could take the next one already. */
  readonly prefetchCount: number;
  /**
   * Starts a batch on an idle worker, or else puts it behind the one that runs. Undefined when no worker can. With
   * `isLast` nothing else waits, so it may use the whole machine if nothing else runs either, or did of late.
   */
  start(batch: Batch, listener: BatchListener, isLast: boolean): StartedBatch | undefined;
  /** Called whenever one of the counts has grown. */
  onFree: () => void;
}
