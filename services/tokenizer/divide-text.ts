import type { TokenPlaces, TokenRow } from "./token-row.js";

/** Where a text may be cut: after what matches. */
export const boundaries = {
  /** Before a space between two letters or digits of ASCII. */
  spaces: /[0-9A-Za-z](?= [0-9A-Za-z])/g,
  /** There, and between two Chinese characters, for tokenizers that set each of them apart. */
  spacesAndIdeographs: /[0-9A-Za-z](?= [0-9A-Za-z])|[\u4e00-\u9fff](?=[\u4e00-\u9fff])/g,
} as const;

/**
 * Cuts a text into parts of `lengthMin` and what it takes from there to the next boundary, so that a text without any is
 * one part. A tokenizer that splits at boundaries, and takes each character by itself before, gives the parts the tokens
 * that it gives the text.
 */
export function divideText(text: string, lengthMin: number, boundary: RegExp): string[] {
  const parts: string[] = [];
  let from = 0;
  while (from + lengthMin < text.length) {
    boundary.lastIndex = from + lengthMin;
    const found = boundary.exec(text);
    if (found === null) break;
    parts.push(text.slice(from, found.index + 1));
    from = found.index + 1;
  }
  parts.push(text.slice(from));
  return parts;
}

/** The row of a text from the rows of its parts. */
export function joinRows(parts: readonly string[], rows: readonly TokenRow[]): TokenRow {
  const ids: number[] = [];
  const places = { tokens: [] as string[], starts: [] as number[], ends: [] as number[] };
  let before = 0;
  for (const [index, row] of rows.entries()) {
    for (const id of row.ids) ids.push(id);
    if (row.places === undefined) continue;
    addPlaces(places, row.places, before);
    before += codePoints(parts[index] ?? "");
  }
  const isPlaced = rows.every((row) => row.places !== undefined);
  return { ids, places: isPlaced ? places : undefined };
}

function addPlaces(
  places: { readonly tokens: string[]; readonly starts: number[]; readonly ends: number[] },
  { tokens, starts, ends }: TokenPlaces,
  before: number,
): void {
  for (const token of tokens) places.tokens.push(token);
  for (const start of starts) places.starts.push(start + before);
  for (const end of ends) places.ends.push(end + before);
}

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}
