const bytesAtFirst = 64 << 10;
/** Up to so many, a loop is faster than a call of native code; and their number fits into one byte. */
const loopBytesMax = 64;
/** A larger buffer is not kept for the next. */
const bytesKeptMax = 1 << 20;
/** Names come from the code, so there are few; should there be many, they are written anew each time. */
const namesMax = 4_096;
const names = new Map<string, Buffer>();

/**
 * Writes Protobuf into one growing buffer, which is used again. In OpenTelemetry's own writer most of the time goes into
 * texts, character by character and twice over, once for their length.
 */
export class ProtoWriter {
  #buffer = Buffer.allocUnsafe(bytesAtFirst);
  #at = 0;

  /** A copy of what was written. */
  toBytes(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#buffer, 0, this.#at);
  }

  /** It begins anew. */
  clear(): void {
    this.#at = 0;
    if (this.#buffer.length > bytesKeptMax) this.#buffer = Buffer.allocUnsafe(bytesAtFirst);
  }

  /** What another has written, as it is. */
  append(other: ProtoWriter): void {
    this.raw(other.#buffer.subarray(0, other.#at));
  }

  /** Fields that are encoded already. */
  raw(fields: Uint8Array): void {
    const { length } = fields;
    this.#reserve(length);
    const buffer = this.#buffer;
    const at = this.#at;
    if (length > loopBytesMax) buffer.set(fields, at);
    else for (let i = 0; i < length; i += 1) buffer[at + i] = fields[i] as number;
    this.#at = at + length;
  }

  /** A field that is a message, which lasts until `end` is called with what this returns. */
  begin(field: number): number {
    this.tag(field, 2);
    this.#reserve(1);
    this.#at += 1;
    return this.#at;
  }

  end(begin: number): void {
    const length = this.#at - begin;
    if (length < 0x80) {
      this.#buffer[begin - 1] = length;
      return;
    }
    const more = varintBytes(length) - 1;
    this.#reserve(more);
    this.#buffer.copyWithin(begin + more, begin, this.#at);
    const end = this.#at + more;
    this.#at = begin - 1;
    this.varint(length);
    this.#at = end;
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.tag(field, 2);
    this.varint(bytes.length);
    this.raw(bytes);
  }

  /** Bytes that are given as pairs of hexadecimal digits. */
  hex(field: number, digits: string): void {
    const length = digits.length >> 1;
    this.tag(field, 2);
    this.varint(length);
    this.#reserve(length);
    const buffer = this.#buffer;
    const at = this.#at;
    for (let i = 0; i < length; i += 1) {
      const high = digitOf[digits.charCodeAt(2 * i)] as number;
      buffer[at + i] = (high << 4) | (digitOf[digits.charCodeAt(2 * i + 1)] as number);
    }
    this.#at = at + length;
  }

  text(field: number, text: string): void {
    this.tag(field, 2);
    if (text.length <= loopBytesMax && this.#ascii(text)) return;
    const length = Buffer.byteLength(text);
    this.varint(length);
    this.#reserve(length);
    this.#at += this.#buffer.write(text, this.#at);
  }

  /** Writes a short text and its length, unless it is not ASCII. */
  #ascii(text: string): boolean {
    const { length } = text;
    this.#reserve(1 + length);
    const buffer = this.#buffer;
    const at = this.#at + 1;
    for (let i = 0; i < length; i += 1) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      buffer[at + i] = code;
    }
    buffer[at - 1] = length;
    this.#at = at + length;
    return true;
  }

  /** A text that comes again and again. */
  name(field: number, name: string): void {
    this.bytes(field, names.get(name) ?? learn(name));
  }

  number(field: number, value: number): void {
    this.tag(field, 0);
    this.varint(value);
  }

  fixed32(field: number, value: number): void {
    this.tag(field, 5);
    this.#reserve(4);
    this.#word(value);
  }

  /** 64 bits as their lower and upper halves. */
  fixed64(field: number, low: number, high: number): void {
    this.tag(field, 1);
    this.#reserve(8);
    this.#word(low);
    this.#word(high);
  }

  /** 32 bits, for which there is room. */
  #word(value: number): void {
    const buffer = this.#buffer;
    const at = this.#at;
    buffer[at] = value;
    buffer[at + 1] = value >>> 8;
    buffer[at + 2] = value >>> 16;
    buffer[at + 3] = value >>> 24;
    this.#at = at + 4;
  }

  double(field: number, value: number): void {
    this.tag(field, 1);
    this.#reserve(8);
    this.#at = this.#buffer.writeDoubleLE(value, this.#at);
  }

  tag(field: number, wireType: 0 | 1 | 2 | 5): void {
    this.varint((field << 3) | wireType);
  }

  /** Any whole number of 64 bits; negative ones as two's complement. */
  varint(value: number): void {
    this.#reserve(10);
    if (value >= 0 && value <= 0x7f) {
      this.#buffer[this.#at] = value;
      this.#at += 1;
      return;
    }
    if (value < 0 || value > 0xffff_ffff) {
      this.#longVarint(BigInt.asUintN(64, BigInt(value)));
      return;
    }
    let left = value >>> 0;
    while (left > 0x7f) {
      this.#buffer[this.#at] = (left & 0x7f) | 0x80;
      this.#at += 1;
      left >>>= 7;
    }
    this.#buffer[this.#at] = left;
    this.#at += 1;
  }

  #longVarint(value: bigint): void {
    let left = value;
    for (; left > 0x7fn; left >>= 7n) {
      this.#buffer[this.#at] = Number(left & 0x7fn) | 0x80;
      this.#at += 1;
    }
    this.#buffer[this.#at] = Number(left);
    this.#at += 1;
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, 2 * this.#buffer.length));
    larger.set(this.#buffer.subarray(0, this.#at));
    this.#buffer = larger;
  }
}

function learn(name: string): Buffer {
  const bytes = Buffer.from(name);
  if (names.size < namesMax) names.set(name, bytes);
  return bytes;
}

/** By the code of a character; ids have lower-case digits. */
const digitOf = new Uint8Array(128).map((_, code) => (code > 57 ? code - 87 : code - 48));

function varintBytes(value: number): number {
  let bytes = 1;
  for (let left = value; left > 0x7f; left >>>= 7) bytes += 1;
  return bytes;
}
