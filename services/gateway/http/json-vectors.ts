/** Below it a number is left to JavaScript's own text. */
const smallest = 1e-4;
const decimalsMax = 16;
const powers = Array.from({ length: decimalsMax + 1 }, (_, decimals) => 10 ** decimals);
/** The longest text that JavaScript gives a number, and a comma. */
const numberBytesMax = 26;
const zero = 0x30;
const minus = 0x2d;
const point = 0x2e;

/** Vectors as JSON, a list of lists: UTF-8 text in a buffer. */
export function toJsonArrays(vectors: readonly Float32Array[]): Buffer {
  const writer = new JsonWriter(vectors);
  writer.text("[");
  for (const [index, vector] of vectors.entries()) {
    if (index > 0) writer.text(",");
    writer.vector(vector);
  }
  writer.text("]");
  return writer.done();
}

/** OpenAI's base64 form: the bytes of little-endian float32. */
export function toBase64(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}

/** Writes JSON with vectors in it straight into bytes: no string is made for a number. */
export class JsonWriter {
  readonly #bytes: Buffer;
  #at = 0;

  /** Room for these vectors and so many more bytes of other text. */
  constructor(vectors: readonly Float32Array[], otherBytesMax = 0) {
    const numbers = vectors.reduce((sum, vector) => sum + vector.length + 1, 0);
    this.#bytes = Buffer.allocUnsafe(numbers * numberBytesMax + otherBytesMax + 2);
  }

  text(text: string): void {
    this.#at += this.#bytes.write(text, this.#at);
  }

  /** A list of numbers, each with the fewest digits that read back as the same float32. */
  vector(vector: Float32Array): void {
    this.#bytes[this.#at++] = 0x5b;
    for (let i = 0; i < vector.length; i += 1) {
      if (i > 0) this.#bytes[this.#at++] = 0x2c;
      this.#number(vector[i] as number);
    }
    this.#bytes[this.#at++] = 0x5d;
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }

  #number(value: number): void {
    const size = Math.abs(value);
    if (size < 1 && size >= smallest) {
      const decimals = decimalsOf(size);
      if (value < 0) this.#bytes[this.#at++] = minus;
      this.#fraction(Math.round(size * (powers[decimals] as number)), decimals);
      return;
    }
    // Rare in a vector of length 1. What is not finite has no JSON; null says so, as JSON.stringify does.
    this.text(Number.isFinite(value) ? String(value) : "null");
  }

  /** `0.` and the digits of `scaled`, without zeros at the end. */
  #fraction(scaled: number, decimals: number): void {
    const bytes = this.#bytes;
    const from = this.#at + 2;
    bytes[from - 2] = zero;
    bytes[from - 1] = point;
    let at = from + decimals;
    let rest = scaled;
    // Numbers of 31 bits divide faster than others.
    while (rest >= 1e9) {
      const next = Math.floor(rest / 10);
      bytes[--at] = zero + (rest - next * 10);
      rest = next;
    }
    while (at > from) {
      const next = (rest / 10) | 0;
      bytes[--at] = zero + (rest - next * 10);
      rest = next;
    }
    let end = from + decimals;
    while (bytes[end - 1] === zero) end -= 1;
    this.#at = end;
  }
}

/**
 * The fewest decimals whose rounding reads back as the same float32: those of eight digits that count are usual, nine
 * always suffice (IEEE 754 binary32), and fewer are enough for one number in ten.
 */
function decimalsOf(size: number): number {
  let decimals = size >= 0.1 ? 8 : size >= 0.01 ? 9 : size >= 0.001 ? 10 : 11;
  if (!readsBack(size, decimals)) {
    while (!readsBack(size, decimals + 1)) decimals += 1;
    return decimals + 1;
  }
  while (decimals > 1 && readsBack(size, decimals - 1)) decimals -= 1;
  return decimals;
}

function readsBack(size: number, decimals: number): boolean {
  const power = powers[decimals] as number;
  return Math.fround(Math.round(size * power) / power) === size;
}
