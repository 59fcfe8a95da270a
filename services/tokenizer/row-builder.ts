import type { TokenRow } from "./token-row.js";

/** A row of tokens as it grows. */
export class RowBuilder {
  readonly #ids: number[] = [];
  readonly #tokens: string[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #isPlaced: boolean;
  readonly #vocabulary: ReadonlyMap<number, string>;

  constructor(isPlaced: boolean, vocabulary: ReadonlyMap<number, string>) {
    this.#isPlaced = isPlaced;
    this.#vocabulary = vocabulary;
  }

  get length(): number {
    return this.#ids.length;
  }

  add(id: number, start: number, end: number): void {
    this.#ids.push(id);
    if (!this.#isPlaced) return;
    this.#tokens.push(this.#vocabulary.get(id) ?? "");
    this.#starts.push(start);
    this.#ends.push(end);
  }

  cutTo(length: number): void {
    this.#ids.length = length;
    if (!this.#isPlaced) return;
    this.#tokens.length = length;
    this.#starts.length = length;
    this.#ends.length = length;
  }

  finish(): TokenRow {
    const ids = this.#ids;
    if (!this.#isPlaced) return { ids, places: undefined };
    return { ids, places: { tokens: this.#tokens, starts: this.#starts, ends: this.#ends } };
  }
}
