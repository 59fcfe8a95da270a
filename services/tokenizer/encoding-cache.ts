import { LRUCache } from "lru-cache";
import type { TokenRow } from "./token-row.js";

/** Counts what was remembered and what was not. */
export interface EncodingCounts {
  hit(): void;
  missed(): void;
}

/** What an entry costs besides its key and its numbers: a few objects, and its places in the map and the list. */
const entryOverheadBytes = 300;
const idBytes = 8;
/** A string of the vocabulary and two numbers. */
const placeBytes = 64;

/** Rows of tokens by tokenizer and text. Limits, sides, special tokens and units change nothing about a row. */
export class EncodingCache {
  readonly #rows: LRUCache<string, TokenRow> | undefined;
  readonly #counts: EncodingCounts;

  /** With 0 bytes nothing is remembered. */
  constructor(bytesMax: number, counts: EncodingCounts) {
    this.#counts = counts;
    if (bytesMax === 0) return;
    this.#rows = new LRUCache({
      maxSize: bytesMax,
      maxEntrySize: Math.ceil(bytesMax / 16),
      sizeCalculation: bytesOf,
    });
  }

  /** Bytes that are remembered. */
  get bytes(): number {
    return this.#rows?.calculatedSize ?? 0;
  }

  /** The tokenizer is named by a number of its own, which no other one ever has. */
  get(tokenizer: number, text: string, isPlaced: boolean): TokenRow | undefined {
    if (this.#rows === undefined) return undefined;
    const row = this.#rows.get(keyOf(tokenizer, text));
    const isEnough = row !== undefined && (!isPlaced || row.places !== undefined);
    if (isEnough) this.#counts.hit();
    else this.#counts.missed();
    return isEnough ? row : undefined;
  }

  set(tokenizer: number, text: string, row: TokenRow): void {
    this.#rows?.set(keyOf(tokenizer, text), row);
  }
}

function keyOf(tokenizer: number, text: string): string {
  return `${tokenizer}\n${text}`;
}

function bytesOf({ ids, places }: TokenRow, key: string): number {
  const tokenBytes = places === undefined ? idBytes : idBytes + placeBytes;
  return key.length * 2 + ids.length * tokenBytes + entryOverheadBytes;
}
