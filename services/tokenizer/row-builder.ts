import type { TokenRow } from "./token-row.js";

/** A row of tokens as it grows. */
export class RowBuilder {
  readonly #ids: number[] = [];
  readonly #starts: number[] = [];
  readonly #ends: number[] = [];
  readonly #isPlaced: boolean;
  readonly #tokens: ReadonlyMap<number, string>;

  constructor(isPlaced: boolean, tokens: ReadonlyMap<number, string>) {
    this.#isPlaced = isPlaced;
    this.#tokens = tokens;
  }

  get length(): number {
    return this.#ids.length;
  }

  add(id: number, start: number, end: number): void {
    this.#ids.push(id);
    if (!this.#isPlaced) return;
    this.#starts.push(start);
    this.#ends.push(end);
  }

  cutTo(length: number): void {
    this.#ids.length = length;
    if (!this.#isPlaced) return;
    this.#starts.length = length;
    this.#ends.length = length;
  }

  finish(): TokenRow {
    const ids = this.#ids;
    if (!this.#isPlaced) return { ids, places: undefined };
    const tokens = ids.map((id) => this.#tokens.get(id) ?? "");
    return { ids, places: { tokens, starts: this.#starts, ends: this.#ends } };
  }
}
