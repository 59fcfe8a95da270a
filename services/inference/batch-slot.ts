import type { Batch } from "./model.js";

/** Memory that a worker shares with the main thread: one batch in, its vectors out. No message carries data. */
export interface BatchSlot {
  /** Ids, padded with zeros: shape [sequences, longest], row-major. */
  readonly ids: Int32Array;
  /** Tokens of each sequence. */
  readonly tokenCounts: Int32Array;
  /** 1 where the vector gets length 1. */
  readonly normalize: Uint8Array;
  /** Shape [sequences, dimensions], row-major. */
  readonly vectors: Float32Array;
}

export interface SlotSize {
  readonly batchSequencesMax: number;
  readonly batchTokensMax: number;
  readonly dimensions: number;
}

export function createSlot({ batchSequencesMax, batchTokensMax, dimensions }: SlotSize): BatchSlot {
  return {
    ids: new Int32Array(new SharedArrayBuffer(batchTokensMax * 4)),
    tokenCounts: new Int32Array(new SharedArrayBuffer(batchSequencesMax * 4)),
    normalize: new Uint8Array(new SharedArrayBuffer(batchSequencesMax)),
    vectors: new Float32Array(new SharedArrayBuffer(batchSequencesMax * dimensions * 4)),
  };
}

/** The shape of the batch that stands in a slot; this is all that a message says. */
export interface BatchShape {
  readonly sequences: number;
  readonly longest: number;
}

export function writeBatch(slot: BatchSlot, batch: Batch): BatchShape {
  const { sequences } = batch;
  const longest = Math.max(...sequences.map((ids) => ids.length));
  slot.ids.fill(0, 0, sequences.length * longest);
  for (const [row, ids] of sequences.entries()) {
    slot.ids.set(ids, row * longest);
    slot.tokenCounts[row] = ids.length;
    slot.normalize[row] = batch.normalize[row] === true ? 1 : 0;
  }
  return { sequences: sequences.length, longest };
}
