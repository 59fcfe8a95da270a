import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../test/support/random.js";
import { normalize, poolCls, poolMean } from "./pooling.js";

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
