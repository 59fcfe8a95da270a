/** Mean of the first `tokenCount` token vectors of `hidden` (shape [tokens, dimensions]), written into `vector`. */
export function poolMean(hidden: Float32Array, tokenCount: number, vector: Float32Array): void {
  const dimensions = vector.length;
  vector.fill(0);
  for (let token = 0; token < tokenCount; token += 1) {
    const from = token * dimensions;
    for (let i = 0; i < dimensions; i += 1) {
      vector[i] = (vector[i] as number) + (hidden[from + i] as number);
    }
  }
  for (let i = 0; i < dimensions; i += 1) vector[i] = (vector[i] as number) / tokenCount;
}

/** The vector of the first token, written into `vector`. */
export function poolCls(hidden: Float32Array, vector: Float32Array): void {
  vector.set(hidden.subarray(0, vector.length));
}

/** Gives the vector length 1, in place; a zero vector stays as it is. */
export function normalize(vector: Float32Array): void {
  let sum = 0;
  for (const value of vector) sum += value * value;
  // The smallest norm that PyTorch's `normalize` divides by.
  const norm = Math.max(Math.sqrt(sum), 1e-12);
  for (let i = 0; i < vector.length; i += 1) vector[i] = (vector[i] as number) / norm;
}
