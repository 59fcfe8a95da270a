/** What is wrong with a body: its JSON (`syntax`), or what the JSON says (`data`). */
export class JsonError extends Error {
  override readonly name = "JsonError";
  readonly kind: "syntax" | "data";
  /** Where in the body, as `inputs[1].text`; empty for the whole. */
  readonly path: string;
  /** Bytes that were read before it; undefined until an enclosing list or object has settled it. */
  offset: number | undefined;

  constructor(
    kind: "syntax" | "data",
    message: string,
    place: { readonly path: string; readonly offset: number | undefined },
  ) {
    super(message);
    this.kind = kind;
    this.path = place.path;
    this.offset = place.offset;
  }
}
