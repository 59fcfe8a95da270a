import type { Worker } from "node:worker_threads";
import type { BatchListener } from "../batching/batch.js";
import type { BatchSlot } from "./batch-slot.js";

/** A batch that was given to a worker. */
export interface Job {
  readonly slot: number;
  readonly listener: BatchListener;
  /** When it came to run; undefined as long as it stands behind another. */
  startedAtMs: number | undefined;
  stopTimer(): void;
}

/** One thread and the batches it has: the first one runs. */
export interface Member {
  /** Its place among the workers, from 0, which its successor takes. */
  readonly number: number;
  readonly worker: Worker;
  readonly slots: readonly BatchSlot[];
  /** Whether a batch that has the machine to itself goes here. */
  readonly hasWide: boolean;
  isReady: boolean;
  readonly jobs: Job[];
  readonly ended: Promise<void>;
}
