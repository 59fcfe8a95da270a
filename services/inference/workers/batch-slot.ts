import type { Row, RowOutput } from "../batching/batch.js";

/** Memory that a worker shares with the main thread: one batch in, its results out. No message carries data. */
export interface BatchSlot {
  /** One number, changed by `post`, `take` and `revoke` only. */
  readonly ticket: Int32Array;
  /** Ids, padded with zeros: shape [sequences, longest], row-major. */
  readonly ids: Int32Array;
  /** Type ids, padded with zeros, in the same places. */
  readonly typeIds: Uint8Array;
  /** Tokens of each sequence. */
  readonly tokenCounts: Int32Array;
  /** What each sequence is turned into; see `outputCode`. */
  readonly outputs: Int32Array;
  /** Row by row, one after another. */
  readonly results: Float32Array;
  /** Where the numbers of each row end. */
  readonly resultEnds: Int32Array;
}

export interface SlotSize {
  readonly batchSequencesMax: number;
  readonly batchTokensMax: number;
  /** Numbers that the largest batch may give. */
  readonly resultsMax: number;
}

export function createSlot({ batchSequencesMax, batchTokensMax, resultsMax }: SlotSize): BatchSlot {
  const int32 = (length: number) => new Int32Array(new SharedArrayBuffer(length * 4));
  return {
    ticket: int32(1),
    ids: int32(batchTokensMax),
    typeIds: new Uint8Array(new SharedArrayBuffer(batchTokensMax)),
    tokenCounts: int32(batchSequencesMax),
    outputs: int32(batchSequencesMax),
    results: new Float32Array(new SharedArrayBuffer(resultsMax * 4)),
    resultEnds: int32(batchSequencesMax),
  };
}

/** The shape of the batch that stands in a slot; this is all that a message says. */
export interface BatchShape {
  readonly sequences: number;
  readonly longest: number;
}

export function writeBatch(slot: BatchSlot, rows: readonly Row[]): BatchShape {
  let longest = 0;
  for (const { ids } of rows) longest = Math.max(longest, ids.length);
  slot.ids.fill(0, 0, rows.length * longest);
  slot.typeIds.fill(0, 0, rows.length * longest);
  for (const [index, { ids, typeIds, output }] of rows.entries()) {
    slot.ids.set(ids, index * longest);
    slot.typeIds.set(typeIds, index * longest);
    slot.tokenCounts[index] = ids.length;
    slot.outputs[index] = outputCode(output);
  }
  return { sequences: rows.length, longest };
}

/** The numbers of one row; they stand there until the next batch is written. */
export function readRow(slot: BatchSlot, row: number): Float32Array {
  const from = row === 0 ? 0 : (slot.resultEnds[row - 1] as number);
  return slot.results.subarray(from, slot.resultEnds[row]);
}

/** Offers what stands in the slot to the worker; the ticket goes along with the message. */
export function post(slot: BatchSlot, ticket: number): void {
  Atomics.store(slot.ticket, 0, ticket);
}

/** The worker's side: whether the batch of this ticket is still wanted. From then on it cannot be taken back. */
export function take(slot: BatchSlot, ticket: number): boolean {
  return Atomics.compareExchange(slot.ticket, 0, ticket, 0) === ticket;
}

/** Takes a batch back, unless the worker has begun with it. */
export const revoke = take;

const codes = ["vector", "unit_vector", "token_vectors", "logits", "sparse"] as const;

/** Heads follow the named outputs. */
export function outputCode(output: RowOutput): number {
  return typeof output === "string" ? codes.indexOf(output) : codes.length + output.head;
}

export function outputOf(code: number): RowOutput {
  return codes[code] ?? { head: code - codes.length };
}
