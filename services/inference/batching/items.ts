import type { MeshError } from "../../../lib/errors.js";
import type { NamedTensor } from "../models/served-model.js";
import type { Batch, Row, TensorBatch } from "./batch.js";
import type { CallSpans } from "./call-spans.js";
import type { Waiting } from "./scheduler.js";

/** Where the time of a call went. */
export interface CallTiming {
  /** Until the last of its rows ran. */
  readonly queueMs: number;
  /** The longest of its batches. */
  readonly computeMs: number;
}

/** Takes the numbers of one row out of memory that is about to be overwritten. */
export type Collect = (row: number, values: Float32Array) => void;

/** One call of the service: several rows or one request of tensors, one answer. */
export interface Call {
  readonly arrivedAtMs: number;
  readonly collect: Collect;
  readonly answer: (tensors: readonly NamedTensor[]) => void;
  readonly timing: { queueMs: number; computeMs: number };
  readonly spans: CallSpans;
  missing: number;
  /** Answered or failed: nobody waits for it any more. */
  isSettled: boolean;
  settle(error?: MeshError): void;
}

/** One row of a call, or all of it when it is one of tensors. */
export interface Item extends Waiting {
  readonly call: Call;
  readonly index: number;
  readonly work: Row | TensorBatch;
  attempts: number;
}

export function toBatch(items: readonly Item[]): Batch {
  const [first] = items;
  if (first !== undefined && "kind" in first.work) return first.work;
  // Items of tensors are alone, so all others are rows.
  return { kind: "sequences", rows: items.map((item) => item.work as Row) };
}

export function deliver({ call, index }: Item, values: Float32Array): void {
  if (call.isSettled) return;
  call.collect(index, values);
  call.missing -= 1;
  if (call.missing === 0) call.settle();
}
