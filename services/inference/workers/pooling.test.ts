import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { Dense } from "../../../lib/model-spec.js";
import { seeded } from "../../../test/support/random.js";
import {
  applyDense,
  normalize,
  poolCls,
  poolLastToken,
  poolMax,
  poolMean,
  spladeWeights,
} from "./pooling.js";

/** Three tokens of two dimensions; the last one is padding. */
const hidden = Float32Array.of(1, 2, 3, 6, 100, 100);

test("the mean is over tokens, never over padding", () => {
  const vector = Float32Array.of(9, 9);
  poolMean(hidden, 2, vector);
  deepEqual(vector, Float32Array.of(2, 4));
});

test("a single token is its own mean", () => {
  const vector = new Float32Array(2);
  poolMean(hidden, 1, vector);
  deepEqual(vector, Float32Array.of(1, 2));
});

test("cls takes the first token", () => {
  const vector = new Float32Array(2);
  poolCls(hidden, vector);
  deepEqual(vector, Float32Array.of(1, 2));
});

test("max takes the greatest of each dimension, never of padding", () => {
  const vector = new Float32Array(2);
  poolMax(Float32Array.of(-1, -6, -3, -2, 100, 100), 2, vector);
  deepEqual(vector, Float32Array.of(-1, -2));
});

test("the last token is the one before the padding", () => {
  const vector = new Float32Array(2);
  poolLastToken(hidden, 2, vector);
  deepEqual(vector, Float32Array.of(3, 6));
  poolLastToken(hidden, 1, vector);
  deepEqual(vector, Float32Array.of(1, 2));
});

/** Two outputs from three inputs: [x + 2y, z / 2] + [-1, 0.25]. */
const weight = Float32Array.of(1, 2, 0, 0, 0, 0.5);
const bias = Float32Array.of(-1, 0.25);

test("a dense layer multiplies each row by the vector and adds the bias", () => {
  const dense: Dense = { weight, bias, activation: "identity" };
  deepEqual(applyDense(dense, Float32Array.of(1, 1, 1)), Float32Array.of(2, 0.75));
  const unbiased: Dense = { weight, bias: undefined, activation: "identity" };
  deepEqual(applyDense(unbiased, Float32Array.of(1, 1, 1)), Float32Array.of(3, 0.5));
});

test("a dense layer ends with its activation", () => {
  const expected: Record<Dense["activation"], readonly [number, number]> = {
    identity: [2, -2],
    relu: [2, 0],
    tanh: [0.964_027_58, -0.964_027_58],
    sigmoid: [0.880_797_08, 0.119_202_92],
    // Values of torch.nn.GELU(), which is exact by default.
    gelu: [1.954_499_74, -0.045_500_26],
  };
  for (const [activation, values] of Object.entries(expected)) {
    const dense = { weight: Float32Array.of(1, -1), bias: undefined, activation } as Dense;
    const [first, second] = applyDense(dense, Float32Array.of(2));
    ok(Math.abs((first as number) - values[0]) < 1e-7, `${activation}: ${first}`);
    ok(Math.abs((second as number) - values[1]) < 1e-7, `${activation}: ${second}`);
  }
});

test("gelu is x far above 0, and 0 at and far below 0", () => {
  const dense: Dense = { weight: Float32Array.of(1), bias: undefined, activation: "gelu" };
  const gelu = (x: number) => applyDense(dense, Float32Array.of(x))[0];
  equal(gelu(20), 20);
  equal(Math.abs(gelu(-20) as number), 0);
  equal(gelu(0), 0);
});

test("splade takes log(1 + relu) of the greatest logit, never of padding", () => {
  const logits = Float32Array.of(Math.E - 1, -5, 0, 1, -1, 3, 100, 100, 100);
  const out = Float32Array.of(9, 9, 9);
  spladeWeights(logits, 2, 3, out);
  deepEqual(out, Float32Array.of(1, 0, Math.log(4)));
});

test("a normalized vector has length 1 and the same direction", () => {
  const vector = Float32Array.of(3, -4);
  normalize(vector);
  deepEqual(vector, Float32Array.of(0.6, -0.8));
});

test("a zero vector stays zero instead of becoming NaN", () => {
  const vector = new Float32Array(3);
  normalize(vector);
  deepEqual(vector, new Float32Array(3));
});

test("whatever its size, a vector has length 1 once normalized", (t) => {
  const random = seeded(t);
  for (let round = 0; round < 200; round += 1) {
    const scale = 10 ** (random.int(20) - 10);
    const vector = Float32Array.from({ length: 1 + random.int(384) }, () => {
      return (1 + random.int(1_000)) * scale * (random.int(2) === 0 ? 1 : -1);
    });
    normalize(vector);
    ok(Math.abs(Math.hypot(...vector) - 1) < 1e-6, `${Math.hypot(...vector)}`);
  }
});
