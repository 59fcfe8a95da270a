import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Tokenizer } from "tokenizers";
import { createTexts, type TextLengths } from "../texts.js";

/** The token ids of some texts. */
export type Batch = readonly (readonly number[])[];

export interface BatchBounds {
  readonly sequencesMax: number;
  /** The longest sequence times their number. */
  readonly paddedTokensMax: number;
}

/** The bounds of the mesh's own batches by default. */
const bounds: BatchBounds = { sequencesMax: 16, paddedTokensMax: 1_024 };
const texts = 64;

/** Texts as the loads send them, tokenized and batched as well as can be: all known ahead, sorted by length. */
export async function createBatches(folder: string, lengths: TextLengths): Promise<Batch[]> {
  const tokenizer = Tokenizer.fromString(readFileSync(join(folder, "tokenizer.json"), "utf8"));
  tokenizer.disablePadding();
  const text = createTexts(1, lengths);
  const encodings = await tokenizer.encodeBatch(Array.from({ length: texts }, text));
  return packSorted(
    encodings.map((encoding) => encoding.getIds()),
    bounds,
  );
}

/** Longest first; each batch takes what still fits. */
export function packSorted(
  sequences: Batch,
  { sequencesMax, paddedTokensMax }: BatchBounds,
): Batch[] {
  const batches: (readonly number[])[][] = [];
  for (const sequence of sequences.toSorted((a, b) => b.length - a.length)) {
    const last = batches.at(-1);
    const longest = last?.[0]?.length ?? 0;
    const fits = last !== undefined && longest * (last.length + 1) <= paddedTokensMax;
    if (fits && last.length < sequencesMax) last.push(sequence);
    else batches.push([sequence]);
  }
  return batches;
}
