import type { ModelSpec } from "../../../lib/model-spec.js";
import type { NamedTensor, TensorMetadata } from "../models/served-model.js";
import type { BatchShape, BatchSlot } from "./batch-slot.js";

/** What the pool hands to a new worker. */
export interface WorkerSetup {
  readonly spec: ModelSpec;
  readonly file: string;
  readonly threads: number;
  /** Threads of a second session, for a batch that has the machine to itself; none unless above `threads`. */
  readonly wideThreads: number;
  /** Of the thread and those of its sessions, from 0 to 19, where the system has it by thread. */
  readonly niceness: number;
  /** Execution providers, first choice first. */
  readonly providers: readonly string[];
  readonly deviceId: number;
  /** Two, so that the next batch is there when one is done. */
  readonly slots: readonly BatchSlot[];
}

/** What the pool tells a worker. */
export type WorkerOrder =
  /** To end, after the batches that were sent before. */
  | { readonly kind: "end" }
  | {
      readonly kind: "sequences";
      readonly slot: number;
      readonly ticket: number;
      readonly shape: BatchShape;
      /** Whether nothing else runs, so that the batch may use every core. */
      readonly isWide: boolean;
    }
  | {
      readonly kind: "tensors";
      readonly slot: number;
      readonly ticket: number;
      readonly inputs: readonly NamedTensor[];
      readonly outputNames: readonly string[];
    };

/** What a worker says: ready once, then one answer for each batch that it took up. */
export type WorkerMessage =
  | {
      readonly kind: "ready";
      readonly inputs: readonly TensorMetadata[];
      readonly outputs: readonly TensorMetadata[];
      /** Where it runs, and why not on the first choice. */
      readonly device: string;
      readonly fallbackReason: string | undefined;
    }
  | { readonly kind: "done"; readonly slot: number; readonly computeMs: number }
  | {
      readonly kind: "tensors";
      readonly slot: number;
      readonly outputs: readonly NamedTensor[];
      readonly computeMs: number;
    }
  | { readonly kind: "failed"; readonly slot: number; readonly message: string };
