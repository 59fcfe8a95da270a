import { join } from "node:path";
import { packageRoot } from "../../lib/package-root.js";
import { openBareTokenizer } from "./bare-tokenizer.js";
import { tokenVector } from "./tiny-graphs.js";

const tokenizer = openBareTokenizer(join(packageRoot, "models/all-MiniLM-L6-v2"), 256);

/** What the model of `writeEmbedding` with this shift answers: the mean of the token vectors, with length 1. */
export async function tinyVectors(texts: readonly string[], shift = 0): Promise<number[][]> {
  const encodings = await tokenizer.encodeBatch([...texts]);
  return encodings.map((encoding) => meanOf(encoding.getIds(), shift));
}

function meanOf(ids: readonly number[], shift: number): number[] {
  const sum = [0, 0, 0, 0];
  for (const id of ids) {
    for (const [i, value] of tokenVector(id, shift).entries()) sum[i] = (sum[i] ?? 0) + value;
  }
  const length = Math.hypot(...sum);
  return sum.map((value) => value / length);
}

/** Whether two lists of vectors are the same, but for rounding. */
export function areClose(
  some: readonly (readonly number[])[],
  others: readonly (readonly number[])[],
): boolean {
  return (
    some.length === others.length &&
    some.every((vector, row) => {
      const other = others[row] ?? [];
      return (
        vector.length === other.length &&
        vector.every((value, i) => Math.abs(value - (other[i] ?? Number.NaN)) < 1e-5)
      );
    })
  );
}
