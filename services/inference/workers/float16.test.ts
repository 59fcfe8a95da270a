import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { fromFloat16 } from "./float16.js";

// The examples of IEEE 754 binary16.
for (const [bits, value] of [
  [0x0000, 0],
  [0x8000, -0],
  [0x0001, 2 ** -24],
  [0x8001, -(2 ** -24)],
  [0x03ff, 2 ** -14 * (1_023 / 1_024)],
  [0x0400, 2 ** -14],
  [0x3555, 0.333_251_953_125],
  [0x3bff, 1 - 2 ** -11],
  [0x3c00, 1],
  [0x3c01, 1 + 2 ** -10],
  [0xc000, -2],
  [0x7bff, 65_504],
  [0xfbff, -65_504],
  [0x7c00, Number.POSITIVE_INFINITY],
  [0xfc00, Number.NEGATIVE_INFINITY],
] as const) {
  test(`0x${bits.toString(16).padStart(4, "0")} means ${Object.is(value, -0) ? "-0" : value}`, () => {
    ok(Object.is(fromFloat16(bits), value), `${fromFloat16(bits)}`);
  });
}

test("what has all exponent bits and a fraction is no number", () => {
  for (const bits of [0x7c01, 0x7e00, 0x7fff, 0xfe00]) ok(Number.isNaN(fromFloat16(bits)));
});

test("every finite number lies above the one before it, with the same gap below each power of two", () => {
  for (let bits = 1; bits < 0x7c00; bits += 1) {
    const gap = fromFloat16(bits) - fromFloat16(bits - 1);
    // Numbers below 2^-14 stand 2^-24 apart; from there, the gap doubles with each power of two.
    const exponent = Math.max(1, (bits - 1) >> 10);
    equal(gap, 2 ** (exponent - 25));
    equal(fromFloat16(bits | 0x8000), -fromFloat16(bits));
  }
});
