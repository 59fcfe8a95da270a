/** The longest text that `writeFloat32` gives a number: 21 digits before the point, or 1.1754944e-38, and a sign. */
export const float32BytesMax = 22;

/**
 * Writes a finite float32, whose bits are given too, as JSON text with the fewest digits that read back as the same
 * float32, and returns the place after it.
 *
 * A decimal number reads back as the float32 it is nearest to, so it must lie within half of the distance between
 * neighbours. Scaled by a power of ten in which that is at least half a unit, the nearest whole number always does;
 * digits are dropped for as long as it still does.
 */
export function writeFloat32(bytes: Buffer, from: number, value: number, bits: number): number {
  const exponent = (bits >>> 23) & 0xff;
  let decimals = decimalsOf[exponent] as number;
  // Below a power of two neighbours are nearer than above it.
  if (decimals === 0 || (bits & 0x7f_ffff) === 0) return writeRare(bytes, from, value);
  const size = Math.abs(value);
  let scaled = size * (scaleOf[exponent] as number);
  let half = halfOf[exponent] as number;
  // Below 2^31, where whole numbers are fast.
  let digits = (scaled + 0.5) | 0;
  while (decimals > 0) {
    scaled *= 0.1;
    half *= 0.1;
    const fewer = (scaled + 0.5) | 0;
    const away = Math.abs(fewer - scaled);
    if (away > half * inside && !(away < half * outside && readsBack(size, fewer, decimals - 1)))
      break;
    digits = fewer;
    decimals -= 1;
  }
  let at = from;
  if (value < 0) bytes[at++] = minus;
  if (size >= 1) return at + bytes.write(String(digits / 10 ** decimals), at, "latin1");
  if (size < smallestFixed) return writeExponent(bytes, at, digits, decimals);
  bytes[at] = zero;
  bytes[at + 1] = point;
  return writeDigits(bytes, at + 2, digits, decimals);
}

const zero = 0x30;
const minus = 0x2d;
const point = 0x2e;

/** Products of doubles are exact to about 1e-8 of half the distance; nearer to the bound, reading back decides. */
const inside = 1 - 1e-6;
const outside = 1 + 1e-6;

/** The sizes that are written without JavaScript's help: all below 8,388,608, but for those with fewer bits (subnormal). */
const largest = 2 ** 23;
/** Smaller numbers have an exponent, as in JavaScript. */
const smallestFixed = 1e-6;

/** By the exponent's bits: decimals that always suffice (0: none of these sizes), their power of ten, half a distance. */
const decimalsOf = new Uint8Array(256);
const scaleOf = new Float64Array(256);
const halfOf = new Float64Array(256);
for (let exponent = 1; exponent < 255; exponent += 1) {
  const size = 2 ** (exponent - 127);
  if (size >= largest) break;
  const distance = size * 2 ** -23;
  let decimals = 1;
  while (distance * 10 ** decimals < 1) decimals += 1;
  decimalsOf[exponent] = decimals;
  scaleOf[exponent] = 10 ** decimals;
  halfOf[exponent] = (distance / 2) * 10 ** decimals;
}

/** 00, 01, … 99. */
const pairs = Buffer.from(
  Array.from({ length: 100 }, (_, number) => String(number).padStart(2, "0")).join(""),
);

/** A whole number below 2^31 with zeros before it, two digits at a time. */
function writeDigits(bytes: Buffer, from: number, number: number, length: number): number {
  let at = from + length;
  let rest = number;
  while (at - from >= 2) {
    const next = (rest / 100) | 0;
    const pair = (rest - next * 100) << 1;
    at -= 2;
    bytes[at] = pairs[pair] as number;
    bytes[at + 1] = pairs[pair + 1] as number;
    rest = next;
  }
  if (at > from) bytes[from] = zero + rest;
  return from + length;
}

/** `2.1e-33`: the digits with a point after the first, and the power of ten that belongs to them. */
function writeExponent(bytes: Buffer, from: number, digits: number, decimals: number): number {
  const text = String(digits);
  let at = from;
  bytes[at++] = text.charCodeAt(0);
  if (text.length > 1) {
    bytes[at++] = point;
    at += bytes.write(text.slice(1), at, "latin1");
  }
  return at + bytes.write(`e-${decimals - text.length + 1}`, at, "latin1");
}

function readsBack(size: number, digits: number, decimals: number): boolean {
  // Up to there powers of ten are exact.
  const nearest = decimals <= 22 ? digits / 10 ** decimals : Number(`${digits}e-${decimals}`);
  return Math.fround(nearest) === size;
}

/** Any number, slowly: nine digits always suffice (IEEE 754 binary32). */
function writeRare(bytes: Buffer, at: number, value: number): number {
  const size = Math.abs(value);
  let digits = 1;
  let shortened = shorten(size, digits);
  while (shortened === undefined) {
    digits += 1;
    shortened = shorten(size, digits);
  }
  return at + bytes.write(String(value < 0 ? -shortened : shortened), at, "latin1");
}

/** With so many digits, if that reads back. Above a power of two a number that is less near may, since there is more room. */
function shorten(size: number, digits: number): number | undefined {
  const [figures = "", exponent] = size.toExponential(digits - 1).split("e");
  const nearest = Number(figures.replace(".", ""));
  return [nearest, nearest + 1]
    .map((whole) => Number(`${whole}e${Number(exponent) - digits + 1}`))
    .find((shortened) => Math.fround(shortened) === size);
}
