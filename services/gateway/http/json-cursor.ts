import { JsonError } from "./json-error.js";
import { byte, JsonText, wordOf } from "./json-text.js";

/** Nested lists and objects that a body may have, as in serde_json. */
const depthMax = 127;

const quote = byte('"');
const comma = byte(",");
export const open = { list: byte("["), object: byte("{") } as const;
const close = { list: byte("]"), object: byte("}") } as const;
type Kind = keyof typeof open;
const commaOrEnd = { list: "expected `,` or `]`", object: "expected `,` or `}`" } as const;
const eofInside = {
  list: "EOF while parsing a list",
  object: "EOF while parsing an object",
} as const;

/**
 * Reads JSON once, from start to end, and stops at the first mistake with the words and the place that serde_json gives
 * it, because clients of text-embeddings-inference know those. Places count bytes.
 */
export class JsonCursor extends JsonText {
  #depth = 0;

  /** Refuses what follows the one value of a body. */
  end(): void {
    if (!Number.isNaN(this.peek())) throw this.syntaxAtNext("trailing characters");
  }

  /** The items of a list, one call of `read` each, which has to read a value; `accept` may refuse it in the list's name. */
  list(read: (index: number) => void, accept: (index: number) => void = () => {}): void {
    this.#nested("list", () => {
      for (let index = 0; this.#hasNext("list", index === 0); index += 1) {
        this.#within(index, () => read(index));
        accept(index);
      }
    });
  }

  /** The fields of an object, one call of `read` each; `read` has to read a value, or to throw before it. */
  object(accept: (key: string) => () => void): void {
    this.#nested("object", () => {
      for (let isFirst = true; this.#hasNext("object", isFirst); isFirst = false) {
        const key = this.string();
        const read = accept(key);
        this.#within(key, () => {
          this.#colon();
          read();
        });
      }
    });
  }

  /** Reads any value and forgets it; however deep it is, it takes no stack. */
  skip(): void {
    const opened: Kind[] = [];
    let isFirst = this.#skipOne(opened);
    while (opened.length > 0) {
      const kind = opened[opened.length - 1] as Kind;
      if (!this.#hasNext(kind, isFirst)) {
        this.at += 1;
        opened.pop();
        isFirst = false;
        continue;
      }
      if (kind === "object") {
        this.scanString();
        this.#colon();
      }
      isFirst = this.#skipOne(opened);
    }
  }

  /** The bytes of the value that `read` reads. */
  rawOf(read: () => void): Buffer {
    this.peek();
    const start = this.at;
    read();
    return this.bytes.subarray(start, this.at);
  }

  #nested(kind: Kind, read: () => void): void {
    this.#depth += 1;
    if (this.#depth > depthMax) throw this.syntaxAtNext("recursion limit exceeded");
    this.at += 1;
    try {
      read();
      this.at += 1;
    } catch (error) {
      if (error instanceof JsonError && error.offset === undefined) {
        this.#settle(kind);
        error.offset = this.at;
      }
      throw error;
    }
    this.#depth -= 1;
  }

  /** Serde ends a list or an object before it says where the mistake inside was. */
  #settle(kind: Kind): void {
    const next = this.peek();
    if (next === close[kind]) this.at += 1;
    if (next !== comma || kind === "object") return;
    this.at += 1;
    this.peek();
  }

  #within(step: string | number, read: () => void): void {
    this.path.push(step);
    read();
    this.path.pop();
  }

  /** Whether another item follows, whose first byte is next; the end of the list or object stays unread. */
  #hasNext(kind: Kind, isFirst: boolean): boolean {
    let next = this.peek();
    if (next === close[kind]) return false;
    if (Number.isNaN(next)) throw this.syntaxAtNext(eofInside[kind]);
    if (!isFirst) {
      if (next !== comma) throw this.syntaxAtNext(commaOrEnd[kind]);
      this.at += 1;
      next = this.peek();
      if (next === close[kind]) throw this.syntaxAtNext("trailing comma");
      if (Number.isNaN(next)) throw this.syntaxAtNext("EOF while parsing a value");
    }
    if (kind === "object" && next !== quote) throw this.syntaxAtNext("key must be a string");
    return true;
  }

  #colon(): void {
    const next = this.peek();
    if (Number.isNaN(next)) throw this.syntaxAtNext(eofInside.object);
    if (next !== byte(":")) throw this.syntaxAtNext("expected `:`");
    this.at += 1;
  }

  /** Reads one value, or only the beginning of a list or an object; says whether it is one. */
  #skipOne(opened: Kind[]): boolean {
    const next = this.peek();
    if (next === open.list || next === open.object) {
      opened.push(next === open.list ? "list" : "object");
      this.at += 1;
      return true;
    }
    if (next === quote) this.scanString();
    else if (this.isNextNumber()) this.number();
    else this.word(wordOf(next) ?? this.refuseValue());
    return false;
  }

  refuseValue(): never {
    throw Number.isNaN(this.peek())
      ? this.syntaxAtNext("EOF while parsing a value")
      : this.syntaxAtNext("expected value");
  }
}
