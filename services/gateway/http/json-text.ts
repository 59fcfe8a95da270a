import { isUtf8 } from "node:buffer";
import { JsonError } from "./json-error.js";

/** A JSON number: whether it was written as an integer matters, so 2.0 is none. */
export interface JsonNumber {
  readonly isInteger: boolean;
  readonly value: number;
}

export const byte = (character: string): number => character.charCodeAt(0);
const quote = byte('"');
const backslash = byte("\\");
const minus = byte("-");

/** The tokens of a JSON text, read from start to end, and where the reading stands. */
export class JsonText {
  protected readonly bytes: Buffer;
  /** One character a byte. */
  protected readonly text: string;
  /** Bytes that were read. */
  protected at = 0;
  /** The keys and places of the lists and objects around. */
  protected readonly path: (string | number)[] = [];

  constructor(bytes: Buffer) {
    this.bytes = bytes;
    this.text = bytes.toString("latin1");
  }

  /** `line 1 column 14`, of so many bytes. */
  placeOf(offset: number): string {
    const before = this.text.slice(0, offset);
    const lines = before.split("\n");
    return `line ${lines.length} column ${lines.at(-1)?.length ?? 0}`;
  }

  /** The next byte that is not white space, which stays unread; NaN at the end. */
  peek(): number {
    for (;;) {
      const code = this.text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return code;
      this.at += 1;
    }
  }

  isNextString(): boolean {
    return this.peek() === quote;
  }

  isNextNumber(): boolean {
    const next = this.peek();
    return next === minus || isDigit(next);
  }

  string(): string {
    const { from, to, isPlain } = this.scanString();
    const bytes = this.bytes.subarray(from, to);
    if (isPlain) return this.text.slice(from, to);
    if (!isUtf8(bytes)) throw this.syntax("invalid unicode code point");
    // The scan has found every escape to be a valid one.
    return JSON.parse(`"${bytes.toString("utf8")}"`);
  }

  number(): JsonNumber {
    const start = this.at;
    this.#integer();
    const integerEnd = this.at;
    if (this.text[this.at] === ".") this.#requireDigits(1);
    if (/[eE]/.test(this.text[this.at] ?? "")) {
      this.#requireDigits(/[+-]/.test(this.text[this.at + 1] ?? "") ? 2 : 1);
    }
    const value = Number(this.text.slice(start, this.at));
    if (!Number.isFinite(value)) throw this.syntax("number out of range");
    const isInteger = this.at === integerEnd && !Object.is(value, -0) && Math.abs(value) < 2 ** 64;
    return { isInteger, value };
  }

  /** Reads `true`, `false` or `null`, whose first letter is next. */
  word<T extends string>(word: T): T {
    for (const letter of word) {
      if (this.at >= this.text.length) throw this.syntax("EOF while parsing a value");
      this.at += 1;
      if (this.text[this.at - 1] !== letter) throw this.syntax("expected ident");
    }
    return word;
  }

  /** A mistake of the JSON itself, after what was read. */
  syntax(message: string): JsonError {
    return new JsonError("syntax", message, { path: this.#pathText(), offset: this.at });
  }

  /** The same for the byte that is next. */
  syntaxAtNext(message: string): JsonError {
    const offset = Math.min(this.at + 1, this.text.length);
    return new JsonError("syntax", message, { path: this.#pathText(), offset });
  }

  /** A value that is not what is wanted, after it was read. */
  data(message: string): JsonError {
    return new JsonError("data", message, { path: this.#pathText(), offset: this.at });
  }

  /** The same where the list or object around it has to be ended before the place is known. */
  dataWithin(message: string): JsonError {
    return new JsonError("data", message, { path: this.#pathText(), offset: undefined });
  }

  #pathText(): string {
    return this.path
      .map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`))
      .join("")
      .replace(/^\./, "");
  }

  /** Where the string that is next has its characters, and whether they stand for themselves. */
  protected scanString(): {
    readonly from: number;
    readonly to: number;
    readonly isPlain: boolean;
  } {
    const from = this.at + 1;
    this.at = from;
    let isPlain = true;
    for (;;) {
      notPlain.lastIndex = this.at;
      const found = notPlain.exec(this.text);
      if (found === null) {
        this.at = this.text.length;
        throw this.syntax("EOF while parsing a string");
      }
      this.at = found.index + 1;
      const code = this.text.charCodeAt(found.index);
      if (code === quote) return { from, to: found.index, isPlain };
      isPlain = false;
      if (code === backslash) this.#escape();
      else if (code < 0x20) {
        throw this.syntax("control character (\\u0000-\\u001F) found while parsing a string");
      } else this.at = skipBeyondAscii(this.text, found.index);
    }
  }

  #escape(): void {
    const letter = this.#letter("EOF while parsing a string");
    if (letter !== "u") {
      if (!'"\\/bfnrt'.includes(letter)) throw this.syntax("invalid escape");
      return;
    }
    const first = this.#hexEscape();
    if (first >= 0xdc00 && first < 0xe000) {
      throw this.syntax("lone leading surrogate in hex escape");
    }
    if (first < 0xd800 || first >= 0xe000) return;
    for (const wanted of "\\u") {
      if (this.#letter("EOF while parsing a string") !== wanted) {
        throw this.syntax("unexpected end of hex escape");
      }
    }
    const second = this.#hexEscape();
    if (second < 0xdc00 || second >= 0xe000) {
      throw this.syntax("lone leading surrogate in hex escape");
    }
  }

  #hexEscape(): number {
    const digits = this.text.slice(this.at, this.at + 4);
    this.at += digits.length;
    if (digits.length < 4) throw this.syntax("EOF while parsing a string");
    if (!/^[\da-fA-F]{4}$/.test(digits)) throw this.syntax("invalid escape");
    return Number.parseInt(digits, 16);
  }

  #letter(atEnd: string): string {
    const letter = this.text[this.at];
    if (letter === undefined) throw this.syntax(atEnd);
    this.at += 1;
    return letter;
  }

  /** A sign and digits without a zero before them. */
  #integer(): void {
    if (this.text.charCodeAt(this.at) === minus) this.at += 1;
    const first = this.#letter("EOF while parsing a value");
    if (!isDigit(byte(first))) throw this.syntax("invalid number");
    if (first === "0" && isDigit(this.text.charCodeAt(this.at))) {
      throw this.syntaxAtNext("invalid number");
    }
    this.#digits();
  }

  #digits(): void {
    while (isDigit(this.text.charCodeAt(this.at))) this.at += 1;
  }

  /** The digits of a fraction or an exponent, after so many characters. */
  #requireDigits(after: number): void {
    this.at += after;
    if (this.at >= this.text.length) throw this.syntax("EOF while parsing a value");
    if (!isDigit(this.text.charCodeAt(this.at))) throw this.syntaxAtNext("invalid number");
    this.#digits();
  }
}

/** What ends the part of a string that can be taken as it is. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what JSON forbids inside strings.
const notPlain = /["\\\x00-\x1f\x80-\xff]/g;

function skipBeyondAscii(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) >= 0x80) at += 1;
  return at;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

/** The word that begins with a letter. */
export function wordOf(code: number): "true" | "false" | "null" | undefined {
  if (code === byte("t")) return "true";
  if (code === byte("f")) return "false";
  return code === byte("n") ? "null" : undefined;
}
