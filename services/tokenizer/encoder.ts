import { setImmediate } from "node:timers/promises";
import type { Tokenizer } from "tokenizers";
import { AsciiWordPiece } from "./ascii-word-piece.js";
import { divideText, joinRows } from "./divide-text.js";
import type { EncodingCache } from "./encoding-cache.js";
import { NativeEncoder } from "./native-encoder.js";
import type { TokenRow } from "./token-row.js";
import type { WaitingBound } from "./waiting-bound.js";

/** What a caller needs of a row. */
export interface RowWants {
  /** Whether places are needed, not only ids. */
  readonly isPlaced: boolean;
  /** How many tokens from the left are needed; a row may go on, or not. Undefined: all. */
  readonly tokensMax: number | undefined;
}

/** What the encoders of a service share. */
export interface EncoderDeps {
  readonly bound: WaitingBound;
  readonly cache: EncodingCache;
}

/** Characters that are encoded here before other work has its turn: less than a millisecond, or a few at worst. */
const charactersPerTurn = 16_384;

/** So many of them are looked at before it is asked whether there are tokens enough. */
const charactersPerToken = 8;

/** Longer texts go to the library in parts of about so many characters, if their tokenizer allows it. */
const partCharacters = 4_096;
/** Parts of a text that are with the library at once. */
const partsMax = 16;

let encoders = 0;

/** Tokens of texts by one tokenizer: here if that is cheap, remembered, or from the library. */
export class Encoder {
  /** Names this tokenizer in the cache. */
  readonly #number = encoders++;
  readonly #native: NativeEncoder;
  readonly #bound: WaitingBound;
  readonly #cache: EncodingCache;
  #ascii: AsciiWordPiece | undefined;

  /** `json` is what the tokenizer was read from. */
  constructor(
    tokenizer: { readonly native: Tokenizer; readonly json: unknown },
    { bound, cache }: EncoderDeps,
  ) {
    this.#native = new NativeEncoder(tokenizer.native);
    this.#bound = bound;
    this.#cache = cache;
    // Until it is ready, the library does its work.
    void AsciiWordPiece.read(tokenizer.json).then((ascii) => {
      this.#ascii = ascii;
    });
  }

  /** Shape [texts]; rejects with `overloaded` when too much waits. */
  async encode(texts: readonly string[], wants: RowWants): Promise<readonly TokenRow[]> {
    const characters = texts.reduce((total, text) => total + text.length, 0);
    const leave = this.#bound.enter({ texts: texts.length, characters });
    try {
      const ascii = this.#ascii;
      if (ascii === undefined) return await this.#encodeElsewhere(texts, wants);
      const isAscii = texts.map((text) => ascii.takes(text));
      if (!isAscii.includes(false)) return await encodeHere(ascii, texts, wants);
      const [here, elsewhere] = await Promise.all([
        encodeHere(
          ascii,
          texts.filter((_, index) => isAscii[index]),
          wants,
        ),
        this.#encodeElsewhere(
          texts.filter((_, index) => !isAscii[index]),
          wants,
        ),
      ]);
      const [ownRows, otherRows] = [here.values(), elsewhere.values()];
      // Each has a row for each of its texts.
      return isAscii.map((isOwn) => (isOwn ? ownRows : otherRows).next().value as TokenRow);
    } finally {
      leave();
    }
  }

  #encodeElsewhere(texts: readonly string[], wants: RowWants): Promise<TokenRow[]> {
    const boundary = this.#ascii?.boundary;
    return Promise.all(
      texts.map(async (text) => {
        if (boundary !== undefined && text.length > partCharacters) {
          return await this.#encodeParts(text, boundary, wants);
        }
        const remembered = this.#cache.get(this.#number, text, wants.isPlaced);
        if (remembered !== undefined) return remembered;
        const row = await this.#native.encode(text, wants.isPlaced);
        this.#cache.set(this.#number, text, row);
        return row;
      }),
    );
  }

  /** Twice as many parts at a time, until there are tokens enough. */
  async #encodeParts(
    text: string,
    boundary: RegExp,
    { isPlaced, tokensMax = Number.POSITIVE_INFINITY }: RowWants,
  ): Promise<TokenRow> {
    const parts = divideText(text, partCharacters, boundary);
    const rows: TokenRow[] = [];
    let tokens = 0;
    for (let at = 1; rows.length < parts.length && tokens < tokensMax; at *= 2) {
      const next = parts.slice(rows.length, rows.length + Math.min(at, partsMax));
      const encoded = next.map((part) => this.#native.encode(part, isPlaced));
      for (const row of await Promise.all(encoded)) {
        tokens += row.ids.length;
        rows.push(row);
      }
    }
    return joinRows(parts, rows);
  }
}

async function encodeHere(
  ascii: AsciiWordPiece,
  texts: readonly string[],
  { isPlaced, tokensMax = Number.POSITIVE_INFINITY }: RowWants,
): Promise<TokenRow[]> {
  const rows: TokenRow[] = [];
  let charactersLeft = charactersPerTurn;
  for (const text of texts) {
    const row = ascii.createRow(isPlaced);
    let at = 0;
    while (at < text.length && row.length < tokensMax) {
      const to = at + Math.min(charactersLeft, text.length - at, charactersPerToken * tokensMax);
      const end = ascii.encode(text, { from: at, to }, row);
      charactersLeft -= end - at;
      at = end;
      if (charactersLeft > 0) continue;
      await setImmediate();
      charactersLeft = charactersPerTurn;
    }
    rows.push(row.finish());
  }
  return rows;
}
