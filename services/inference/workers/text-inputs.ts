import { type InferenceSession, Tensor } from "onnxruntime-node";
import type { BatchShape, BatchSlot } from "./batch-slot.js";

/** An int64 buffer. Ids fit 32 bits: writing the low half of each number avoids making a BigInt for each token. */
interface Int64Buffer {
  readonly values: BigInt64Array;
  readonly low: Int32Array;
}

/** What a model of sequences reads. The buffers are the worker's own, because ONNX Runtime takes no shared memory. */
export class TextInputs {
  readonly #buffers = new Map<string, Int64Buffer>();

  constructor(session: InferenceSession, tokensMax: number) {
    for (const name of ["input_ids", "attention_mask", "token_type_ids"]) {
      if (!session.inputNames.includes(name)) continue;
      const values = new BigInt64Array(tokensMax);
      this.#buffers.set(name, { values, low: new Int32Array(values.buffer) });
    }
  }

  /** The batch that stands in the slot; the tensors are overwritten by the next one. */
  feeds(slot: BatchSlot, { sequences, longest }: BatchShape): Record<string, Tensor> {
    const size = sequences * longest;
    copy(slot.ids, this.#buffers.get("input_ids"), size);
    copy(slot.typeIds, this.#buffers.get("token_type_ids"), size);
    const mask = this.#buffers.get("attention_mask");
    for (let row = 0; row < sequences; row += 1) {
      writeMask(mask, row * longest, slot.tokenCounts[row] as number, longest);
    }
    const feeds: Record<string, Tensor> = {};
    for (const [name, { values }] of this.#buffers) {
      feeds[name] = new Tensor("int64", values.subarray(0, size), [sequences, longest]);
    }
    return feeds;
  }
}

function copy(from: Int32Array | Uint8Array, to: Int64Buffer | undefined, size: number): void {
  if (to === undefined) return;
  for (let i = 0; i < size; i += 1) to.low[2 * i] = from[i] as number;
}

/** 1 for each token of a row, 0 for its padding. */
function writeMask(
  mask: Int64Buffer | undefined,
  from: number,
  tokenCount: number,
  longest: number,
): void {
  if (mask === undefined) return;
  for (let i = 0; i < longest; i += 1) mask.low[2 * (from + i)] = i < tokenCount ? 1 : 0;
}
