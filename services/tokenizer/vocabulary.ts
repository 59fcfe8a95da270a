import type { Tokenizer } from "tokenizers";

/** The ids of a tokenizer and what they stand for. What was asked for once is remembered: the library copies it each time. */
export class Vocabulary {
  readonly #native: Tokenizer;
  readonly #tokens = new Map<number, string>();

  constructor(native: Tokenizer) {
    this.#native = native;
  }

  readonly knows = (id: number): boolean => this.tokenOf(id) !== undefined;

  tokenOf(id: number): string | undefined {
    const known = this.#tokens.get(id);
    if (known !== undefined) return known;
    const token = this.#native.idToToken(id) ?? undefined;
    if (token !== undefined) this.#tokens.set(id, token);
    return token;
  }
}
