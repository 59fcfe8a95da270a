/** A float32 vector as JSON numbers, with the digits that float32 needs and no more. */
export function toJsonArray(vector: Float32Array): string {
  let json = "[";
  for (let i = 0; i < vector.length; i += 1) {
    const value = vector[i] as number;
    json += i === 0 ? shortest(value) : `,${shortest(value)}`;
  }
  return `${json}]`;
}

/** Vectors as JSON: a list of lists. */
export function toJsonArrays(vectors: readonly Float32Array[]): string {
  return `[${vectors.map(toJsonArray).join(",")}]`;
}

/** OpenAI's base64 form: the bytes of little-endian float32. */
export function toBase64(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString("base64");
}

/**
 * Nine decimals name every float32 from 1/128 up; smaller ones, which need more, are rare in a vector of length 1.
 * Rounding a double costs a fraction of what finding the shortest float32 text costs.
 */
function shortest(value: number): string | number {
  const rounded = Math.round(value * 1e9) / 1e9;
  return Math.fround(rounded) === value ? rounded : value;
}
