import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { logistic, softmax } from "./scores.js";

function close(actual: ArrayLike<number>, expected: readonly number[]): void {
  equal(actual.length, expected.length);
  expected.forEach((value, i) => {
    ok(Math.abs((actual[i] as number) - value) < 1e-6, `${actual[i]} instead of ${value}`);
  });
}

test("softmax shares 1 among the labels by their logits", () => {
  // exp: 1, 3 and 4.
  close(softmax(Float32Array.of(0, Math.log(3), Math.log(4))), [0.125, 0.375, 0.5]);
  deepEqual(softmax(Float32Array.of(7, 7)), Float32Array.of(0.5, 0.5));
  deepEqual(softmax(Float32Array.of(-3)), Float32Array.of(1));
});

test("softmax of great logits neither overflows nor becomes NaN", () => {
  close(softmax(Float32Array.of(1_000, 999)), [0.731_058_58, 0.268_941_42]);
  close(softmax(Float32Array.of(-1_000, 0)), [0, 1]);
});

test("softmax of no labels is empty", () => {
  equal(softmax(new Float32Array(0)).length, 0);
});

test("the logistic function is one half at 0 and approaches 0 and 1", () => {
  equal(logistic(0), 0.5);
  close([logistic(Math.log(3)), logistic(-Math.log(3))], [0.75, 0.25]);
  equal(logistic(1_000), 1);
  equal(logistic(-1_000), 0);
});
