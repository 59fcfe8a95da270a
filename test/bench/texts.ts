import { mulberry32 } from "../support/random.js";

/** Common English words, each one token of the embedded model. */
const words =
  "time people water light house green music stone river paper glass night bread train cloud field horse table " +
  "money story heart voice garden window summer winter market doctor letter number island forest";
const vocabulary = words.split(" ");
const specialTokens = 2;

/** A generator of texts that never repeats in a run: the same seed gives the same texts. */
export function createTexts(seed: number): (tokenCount: number) => string {
  const random = mulberry32(seed);
  return (tokenCount) => {
    const pick = () => vocabulary[Math.floor(random() * vocabulary.length)];
    return Array.from({ length: tokenCount - specialTokens }, pick).join(" ");
  };
}
