import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { cosine, goldenMissing, readGoldenEmbeddings } from "../../../test/support/golden.js";
import { seeded } from "../../../test/support/random.js";
import { encodeVector, type NumberType } from "./number-types.js";

test("bits are packed with the first value highest, and the rest is zero", () => {
  const vector = Float32Array.of(1, -1, 0.5, 0, -2, 3, 1e-9, -1e-9, 1, 1);
  deepEqual([...encodeVector(vector, "ubinary").numbers], [0b1010_0110, 0b1100_0000]);
  deepEqual([...encodeVector(vector, "binary").numbers], [166 - 128, 192 - 128]);
});

test("whole numbers are of the vector with length 1, within their range", () => {
  const vector = new Float32Array(64).fill(3);
  vector[1] = -3;
  // Each value is 1/8 of the unit vector, and the range is 6/8.
  deepEqual([...encodeVector(vector, "int8").numbers.slice(0, 3)], [21, -21, 21]);
  deepEqual([...encodeVector(vector, "uint8").numbers.slice(0, 3)], [149, 107, 149]);
  deepEqual([...encodeVector(Float32Array.of(5, 0), "int8").numbers], [127, 0]);
  const peak = new Float32Array(64);
  peak[0] = -1;
  equal(encodeVector(peak, "int8").numbers[0], -127);
  deepEqual([...encodeVector(new Float32Array(3), "uint8").numbers], [128, 128, 128]);
});

test("float16 is IEEE 754 binary16, ties to even", () => {
  const cases = [
    [0, 0x0000],
    [1, 0x3c00],
    [-2, 0xc000],
    [65_504, 0x7bff],
    [65_519, 0x7bff],
    [65_520, 0x7c00],
    [2 ** -14, 0x0400],
    [2 ** -24, 0x0001],
    [2 ** -25, 0x0000],
    [1 + 2 ** -11, 0x3c00],
    [1 + 3 * 2 ** -11, 0x3c02],
    [2 - 2 ** -12, 0x4000],
    [0.1, 0x2e66],
  ] as const;
  for (const [value, half] of cases) {
    deepEqual([...encodeVector(Float32Array.of(value), "float16").bytes], [half], String(value));
  }
});

test("every float16 and bfloat16 stands for itself", () => {
  for (const type of ["float16", "bfloat16"] as const) {
    const first = encodeVector(
      Float32Array.from({ length: 4_000 }, (_, n) => (n - 2_000) / 997),
      type,
    );
    const again = encodeVector(first.numbers as Float32Array, type);
    deepEqual(again, first, type);
  }
});

test("bfloat16 keeps 8 bits of precision, ties to even", () => {
  const { bytes } = encodeVector(
    Float32Array.of(1, 1 + 2 ** -8, 1 + 3 * 2 ** -8, -0.1),
    "bfloat16",
  );
  deepEqual([...bytes], [0x3f80, 0x3f80, 0x3f82, 0xbdcd]);
});

test("float16 is the nearest of its numbers", (t) => {
  const random = seeded(t);
  for (let i = 0; i < 5_000; i += 1) {
    const value = Math.fround((random.int(2 ** 31) / 2 ** 30 - 1) * 10 ** (random.int(12) - 7));
    const { numbers } = encodeVector(Float32Array.of(value), "float16");
    const distance = Math.max(Math.abs(value) * 2 ** -11, 2 ** -25);
    ok(Math.abs((numbers[0] ?? 0) - value) <= distance, String(value));
  }
});

test("quantised vectors keep the direction of real ones", { skip: goldenMissing }, () => {
  const least: Readonly<Partial<Record<NumberType, number>>> = {
    float16: 0.999_999,
    bfloat16: 0.999_99,
    int8: 0.999_8,
  };
  for (const { embedding } of readGoldenEmbeddings()) {
    for (const [type, bound] of Object.entries(least)) {
      const { numbers } = encodeVector(Float32Array.from(embedding), type as NumberType);
      const similarity = cosine(numbers, embedding);
      ok(similarity > bound, `${type}: ${similarity}`);
    }
  }
});
