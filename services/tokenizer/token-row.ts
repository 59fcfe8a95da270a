/** The tokens of one text, before special tokens are added and anything is cut. */
export interface TokenRow {
  /** Shape [tokens]. */
  readonly ids: readonly number[];
  /** Where the tokens stand; only when it was asked for. */
  readonly places: TokenPlaces | undefined;
}

/** Shape [tokens] each. */
export interface TokenPlaces {
  /** Entries of the vocabulary. */
  readonly tokens: readonly string[];
  /** First code point of each token in the text. */
  readonly starts: readonly number[];
  /** One past the last code point. */
  readonly ends: readonly number[];
}
