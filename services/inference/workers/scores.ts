/** Probabilities of labels that exclude each other: `exp(x) / sum of exp`, as a new array. */
export function softmax(logits: Float32Array): Float32Array {
  // Without the shift, exp overflows for logits from 89 on; it changes no quotient.
  const greatest = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  const powers = Float64Array.from(logits, (logit) => Math.exp(logit - greatest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return Float32Array.from(powers, (power) => power / sum);
}

/** Probability of a label by itself: `1 / (1 + exp(-x))`. */
export function logistic(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}
