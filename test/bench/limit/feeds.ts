import { Tensor } from "onnxruntime-node";
import type { Batch } from "./batches.js";

/** A batch as a BERT-like model takes it, padded with zeros. */
export function toFeeds(batch: Batch): Record<string, Tensor> {
  const longest = Math.max(...batch.map(({ length }) => length));
  const size = batch.length * longest;
  const ids = new BigInt64Array(size);
  const mask = new BigInt64Array(size);
  for (const [row, sequence] of batch.entries()) {
    const start = row * longest;
    for (const [place, id] of sequence.entries()) ids[start + place] = BigInt(id);
    mask.fill(1n, start, start + sequence.length);
  }
  const tensor = (values: BigInt64Array) => new Tensor("int64", values, [batch.length, longest]);
  return {
    input_ids: tensor(ids),
    attention_mask: tensor(mask),
    token_type_ids: tensor(new BigInt64Array(size)),
  };
}
