import { join } from "node:path";
import { Tokenizer } from "tokenizers";

/** Hugging Face's tokenizer as its own users have it, cutting at `tokensMax`: what ours must agree with. */
export function openBareTokenizer(folder: string, tokensMax?: number): Tokenizer {
  const tokenizer = Tokenizer.fromFile(join(folder, "tokenizer.json"));
  tokenizer.disablePadding();
  if (tokensMax === undefined) tokenizer.disableTruncation();
  else tokenizer.setTruncation(tokensMax);
  return tokenizer;
}
