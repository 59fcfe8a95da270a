/** Sequences that run together. */
export interface Batch {
  /** Token ids of each sequence, not padded. */
  readonly sequences: readonly (readonly number[])[];
  /** For each sequence, whether its vector gets length 1. */
  readonly normalize: readonly boolean[];
}

/** Whatever can run batches, several at a time. */
export interface Model {
  /** How many batches could start now. */
  readonly idleCount: number;
  /**
   * Vectors of shape [sequences, dimensions], row-major. Rejects with WorkerLost
   * when the worker died under the batch, and with any other error when the model failed.
   */
  run(batch: Batch): Promise<Float32Array>;
  /** Called whenever `idleCount` has grown. */
  onIdle: () => void;
}

/** The worker died; the batch may be run again elsewhere. */
export class WorkerLost extends Error {
  override readonly name = "WorkerLost";
}
