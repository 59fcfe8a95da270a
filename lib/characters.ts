/**
 * No text worth reading has more characters than that for each of its tokens: where nothing may be cut off, counting the
 * tokens of more would be a waste. The number and the words are those of text-embeddings-inference.
 */
export const charactersPerToken = 250;

/** Why texts that are read together are too long; undefined: they are not. */
export function tooManyCharacters(
  texts: readonly string[],
  charactersMax: number,
): string | undefined {
  let units = 0;
  for (const text of texts) units += text.length;
  if (units <= charactersMax) return undefined;
  let given = 0;
  for (const text of texts) given += countCodePoints(text);
  if (given <= charactersMax) return undefined;
  return `\`inputs\` must have less than ${charactersMax} characters. Given: ${given}`;
}

/** Of well-formed text: each pair of surrogates is one. */
export function countCodePoints(text: string): number {
  let count = text.length;
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit >= 0xd800 && unit < 0xdc00) count -= 1;
  }
  return count;
}
