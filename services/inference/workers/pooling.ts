import type { Dense } from "../../../lib/model-spec.js";
import { logistic } from "./scores.js";

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

/** The greatest of the first `tokenCount` tokens in each dimension, written into `vector`. */
export function poolMax(hidden: Float32Array, tokenCount: number, vector: Float32Array): void {
  const dimensions = vector.length;
  vector.fill(Number.NEGATIVE_INFINITY);
  for (let token = 0; token < tokenCount; token += 1) {
    const from = token * dimensions;
    for (let i = 0; i < dimensions; i += 1) {
      const value = hidden[from + i] as number;
      if (value > (vector[i] as number)) vector[i] = value;
    }
  }
}

/** The vector of the last of `tokenCount` tokens, written into `vector`. */
export function poolLastToken(
  hidden: Float32Array,
  tokenCount: number,
  vector: Float32Array,
): void {
  const from = (tokenCount - 1) * vector.length;
  vector.set(hidden.subarray(from, from + vector.length));
}

/** `activation(weight · vector + bias)` as a new vector. */
export function applyDense(
  { weight, bias, activation }: Dense,
  vector: Float32Array,
): Float32Array {
  const inputs = vector.length;
  const activate = activations[activation];
  return Float32Array.from({ length: weight.length / inputs }, (_, output) => {
    const from = output * inputs;
    let sum = bias?.[output] ?? 0;
    for (let i = 0; i < inputs; i += 1) sum += (weight[from + i] as number) * (vector[i] as number);
    return activate(sum);
  });
}

/**
 * SPLADE: the greatest `log(1 + relu(logit))` of the first `tokenCount` tokens for each entry of the vocabulary.
 * `logits` has shape [tokens, vocabulary], `out` has length `vocabulary`.
 */
export function spladeWeights(
  logits: Float32Array,
  tokenCount: number,
  vocabulary: number,
  out: Float32Array,
): void {
  // The logarithm rises with the logit, so that one for each entry is enough.
  out.fill(0);
  for (let token = 0; token < tokenCount; token += 1) {
    const from = token * vocabulary;
    for (let i = 0; i < vocabulary; i += 1) {
      const logit = logits[from + i] as number;
      if (logit > (out[i] as number)) out[i] = logit;
    }
  }
  for (let i = 0; i < vocabulary; i += 1) out[i] = Math.log1p(out[i] as number);
}

/** Gives the vector length 1, in place; a zero vector stays as it is. */
export function normalize(vector: Float32Array): void {
  let sum = 0;
  for (const value of vector) sum += value * value;
  // The smallest norm that PyTorch's `normalize` divides by.
  const norm = Math.max(Math.sqrt(sum), 1e-12);
  for (let i = 0; i < vector.length; i += 1) vector[i] = (vector[i] as number) / norm;
}

const activations: Readonly<Record<Dense["activation"], (x: number) => number>> = {
  identity: (x) => x,
  tanh: Math.tanh,
  relu: (x) => Math.max(x, 0),
  gelu: (x) => (x / 2) * (1 + erf(x / Math.SQRT2)),
  sigmoid: logistic,
};

/** The error function as a series of positive terms, exact to the last digits of a double. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; Math.abs(term) > Math.abs(sum) * 1e-17; n += 1) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return ((2 * sum) / Math.sqrt(Math.PI)) * Math.exp(-x * x);
}
