import { mulberry32 } from "../support/random.js";

/** Common English words, each one token of the embedded model. */
const words =
  "time people water light house green music stone river paper glass night bread train cloud field horse table " +
  "money story heart voice garden window summer winter market doctor letter number island forest";
const vocabulary = words.split(" ");
const specialTokens = 2;

/** Tokens of a text, special tokens included; lengths are spread evenly between the two. */
export interface TextLengths {
  readonly min: number;
  readonly max: number;
}

/** What callers of an interactive service send, and what indexing documents sends. */
export const equalLengths: TextLengths = { min: 17, max: 17 };
export const mixedLengths: TextLengths = { min: 4, max: 200 };

/** A generator of texts that all differ, nearly certainly; the same seed gives the same texts. */
export function createTexts(seed: number, { min, max }: TextLengths): () => string {
  const random = mulberry32(seed);
  const pick = () => vocabulary[Math.floor(random() * vocabulary.length)];
  return () => {
    const tokens = min + Math.floor(random() * (max - min + 1));
    return Array.from({ length: tokens - specialTokens }, pick).join(" ");
  };
}
