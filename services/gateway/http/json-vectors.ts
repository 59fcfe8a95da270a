import { LRUCache } from "lru-cache";
import { float32BytesMax, writeFloat32 } from "./float32-text.js";

const comma = 0x2c;
const opening = 0x5b;
const closing = 0x5d;

/** Of texts and their vectors: some 2,700 of 384 dimensions. */
const keptBytesMax = 16 * 1024 * 1024;

/** The texts of vectors that are written again and again: copying one takes a tenth of the time of writing it. */
const kept = new LRUCache<Float32Array, Uint8Array>({
  maxSize: keptBytesMax,
  sizeCalculation: (text, { buffer }) => text.byteLength + buffer.byteLength,
});

/** Vectors as JSON, a list of lists: UTF-8 text in a buffer. Those that are `areRemembered` are never written to. */
export function toJsonArrays(vectors: readonly Float32Array[], areRemembered = false): Buffer {
  const writer = new JsonWriter(vectors, { areRemembered });
  writer.list(vectors, (vector) => writer.vector(vector));
  return writer.done();
}

/** Writes JSON with vectors in it straight into bytes: no string is made for a number. */
export class JsonWriter {
  readonly #bytes: Buffer;
  readonly #areRemembered: boolean;
  #at = 0;

  /**
   * Room for these vectors, as numbers or in base64, and so many more bytes of other text. Of vectors that are
   * remembered, so that the same objects come again, the text is remembered too.
   */
  constructor(
    vectors: readonly Float32Array[],
    {
      otherBytesMax = 0,
      areRemembered = false,
    }: {
      readonly otherBytesMax?: number;
      readonly areRemembered?: boolean;
    } = {},
  ) {
    this.#areRemembered = areRemembered;
    const numbers = vectors.reduce((sum, vector) => sum + vector.length + 1, 0);
    this.#bytes = Buffer.allocUnsafe(numbers * (float32BytesMax + 1) + otherBytesMax + 2);
  }

  text(text: string): void {
    this.#at += this.#bytes.write(text, this.#at);
  }

  /** A list of numbers, each with the fewest digits that read back as the same float32. */
  vector(vector: Float32Array): void {
    if (this.#areRemembered) this.#writeRemembered(vector);
    else this.#write(vector);
  }

  #writeRemembered(vector: Float32Array): void {
    const at = this.#at;
    const text = kept.get(vector);
    if (text === undefined) {
      this.#write(vector);
      kept.set(vector, new Uint8Array(this.#bytes.subarray(at, this.#at)));
    } else {
      this.#bytes.set(text, at);
      this.#at += text.byteLength;
    }
  }

  #write(vector: Float32Array): void {
    const bytes = this.#bytes;
    const allBits = new Uint32Array(vector.buffer, vector.byteOffset, vector.length);
    let at = this.#at;
    bytes[at++] = opening;
    for (let i = 0; i < vector.length; i += 1) {
      if (i > 0) bytes[at++] = comma;
      const bits = allBits[i] as number;
      // What is not finite has no JSON; null says so, as JSON.stringify does.
      if ((bits & infinity) === infinity) at += bytes.write("null", at, "latin1");
      else at = writeFloat32(bytes, at, vector[i] as number, bits);
    }
    bytes[at++] = closing;
    this.#at = at;
  }

  /** A list of what `write` writes of each item. */
  list<T>(items: readonly T[], write: (item: T) => void): void {
    this.text("[");
    for (const [index, item] of items.entries()) {
      if (index > 0) this.text(",");
      write(item);
    }
    this.text("]");
  }

  /** A list of numbers of any type. */
  numbers(numbers: Float32Array | Int8Array | Uint8Array): void {
    if (numbers instanceof Float32Array) this.vector(numbers);
    else this.#at += this.#bytes.write(`[${numbers.join()}]`, this.#at, "latin1");
  }

  /** The values' own bytes, little-endian, as base64 in quotes. */
  base64({ buffer, byteOffset, byteLength }: ArrayBufferView): void {
    const text = Buffer.from(buffer, byteOffset, byteLength).toString("base64");
    this.#at += this.#bytes.write(`"${text}"`, this.#at, "latin1");
  }

  done(): Buffer {
    return this.#bytes.subarray(0, this.#at);
  }
}

/** All bits of the exponent: infinities, and what is not a number. */
const infinity = 0x7f80_0000;
