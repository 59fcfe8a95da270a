/** What the numbers of a vector can be written as. */
export const numberTypes = [
  "float32",
  "float16",
  "bfloat16",
  "int8",
  "uint8",
  "binary",
  "ubinary",
] as const;
export type NumberType = (typeof numberTypes)[number];

/** Numbers for JSON, and the same as little-endian bytes for base64. */
export interface Encoded {
  readonly numbers: Float32Array | Int8Array | Uint8Array;
  readonly bytes: Float32Array | Uint16Array | Int8Array | Uint8Array;
}

/**
 * A vector in another type. The whole numbers are of the vector with length 1, whatever its own: int8 is
 * `round(127 value / range)` within -127..127, where `range` is six standard deviations of the values of a random unit
 * vector, `min(1, 6 / sqrt(dimensions))`, the same for all vectors so that their dot products compare; uint8 is int8 + 128;
 * ubinary has a bit for each value, set where it is above 0, the first in the highest bit of the first byte, the last byte
 * filled up with zeros; binary is ubinary - 128. The last two are those of sentence-transformers and numpy's packbits.
 */
export function encodeVector(vector: Float32Array, type: NumberType): Encoded {
  return encoders[type](vector);
}

const encoders: Readonly<Record<NumberType, (vector: Float32Array) => Encoded>> = {
  float32: (vector) => ({ numbers: vector, bytes: vector }),
  float16: (vector) => halves(vector, toFloat16, fromFloat16),
  bfloat16: (vector) => halves(vector, toBfloat16, fromBfloat16),
  int8: (vector) => whole(Int8Array.from(quantize(vector))),
  uint8: (vector) => whole(Uint8Array.from(quantize(vector), (value) => value + 128)),
  binary: (vector) => whole(Int8Array.from(packBits(vector), (byte) => byte - 128)),
  ubinary: (vector) => whole(packBits(vector)),
};

function whole(numbers: Int8Array | Uint8Array): Encoded {
  return { numbers, bytes: numbers };
}

const deviations = 6;
const largest = 127;

function quantize(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector) || 1;
  const range = Math.min(1, deviations / Math.sqrt(vector.length));
  const scale = largest / (range * length);
  return vector.map((value) => Math.max(-largest, Math.min(largest, Math.round(value * scale))));
}

function packBits(vector: Float32Array): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(vector.length / 8));
  for (const [at, value] of vector.entries()) {
    if (value > 0) bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (0x80 >> (at & 7));
  }
  return bytes;
}

function halves(
  vector: Float32Array,
  to: (value: number) => number,
  from: (half: number) => number,
): Encoded {
  const bytes = Uint16Array.from(vector, to);
  return { numbers: Float32Array.from(bytes, from), bytes };
}

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The nearest number of 8 bits of precision, ties to even. */
function toBfloat16(value: number): number {
  float[0] = value;
  const given = bits[0] ?? 0;
  return (given + 0x7fff + ((given >>> 16) & 1)) >>> 16;
}

function fromBfloat16(half: number): number {
  bits[0] = half << 16;
  return float[0] ?? 0;
}

/** The nearest number of IEEE 754 binary16, ties to even; what is too large is infinite. */
function toFloat16(value: number): number {
  const size = Math.abs(value);
  const sign = value < 0 ? 0x8000 : 0;
  if (size >= 65_520) return sign | 0x7c00;
  // The distance of neighbours: 2^-24 below the smallest normal number, 2^-10 of the power of two above it.
  const exponent = size < 2 ** -14 ? -14 : exponentOf(size);
  const steps = roundToEven(size / 2 ** (exponent - 10));
  // A carry out of the fraction is one into the exponent, as it should be.
  return sign | ((exponent + 14) * 1024 + steps);
}

function fromFloat16(half: number): number {
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 31) return sign * Number.POSITIVE_INFINITY;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

function exponentOf(size: number): number {
  float[0] = size;
  return ((bits[0] ?? 0) >>> 23) - 127;
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}
