import { encodeTexts } from "./encode-inputs.js";
import type { TokenInput } from "./inputs.js";
import type { OpenTokenizer } from "./tokenizers.js";

/** How many tokens each input has; ids count as they are. Shape [inputs]. */
export async function countInputs(
  tokenizer: OpenTokenizer,
  inputs: readonly TokenInput[],
  isSpecial: boolean,
): Promise<number[]> {
  const rows = await encodeTexts(tokenizer, inputs, { isPlaced: false, tokensMax: undefined });
  return inputs.map((input, index) => {
    if (input.kind === "ids") return input.ids.length;
    const isPair = input.kind === "pair";
    const { specialTokens } = tokenizer.postProcessor.form({ isSpecial, isPair });
    return (rows[index] ?? []).reduce((total, { ids }) => total + ids.length, specialTokens);
  });
}
