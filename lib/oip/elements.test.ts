import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../test/support/random.js";
import { packBytes, packNumbers, toTexts, unpackBytes, unpackNumbers } from "./elements.js";

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

test("numbers are packed little-endian, in the size of their type", () => {
  deepEqual([...packNumbers("INT16", [1, -2], "x")], [1, 0, 254, 255]);
  deepEqual([...packNumbers("UINT8", [255], "x")], [255]);
  deepEqual([...packNumbers("BOOL", [true, false], "x")], [1, 0]);
  deepEqual([...packNumbers("FP32", [1], "x")], [0, 0, 128, 63]);
  deepEqual([...packNumbers("INT64", [-1n], "x")], Array(8).fill(255));
});

test("what is packed is unpacked, whatever its alignment", () => {
  const cases = [
    ["INT8", [-128, 127]],
    ["UINT16", [65_535]],
    ["UINT32", [4_294_967_295]],
    ["UINT64", [18_446_744_073_709_551_615n]],
    ["FP64", [0.1, Number.NaN]],
  ] as const;
  for (const [datatype, values] of cases) {
    const packed = packNumbers(datatype, values, "x");
    const shifted = new Uint8Array(packed.length + 1);
    shifted.set(packed, 1);
    deepEqual(Array.from(unpackNumbers(datatype, shifted.subarray(1))), [...values]);
  }
});

test("a number outside its type is refused with its place", () => {
  const cases = [
    ["INT8", 128],
    ["UINT8", -1],
    ["INT32", 0.5],
    ["UINT16", Number.NaN],
    ["INT64", 2n ** 63n],
    ["INT32", true],
  ] as const;
  for (const [datatype, value] of cases) {
    throws(() => packNumbers(datatype, [0, value], "inputs[0]"), {
      fault: "invalid",
      message: new RegExp(`^inputs\\[0\\]: element 1 is no ${datatype}`),
    });
  }
});

test("BYTES elements stand behind their lengths", () => {
  const packed = packBytes([utf8("ab"), utf8(""), utf8("é")]);
  deepEqual([...packed.subarray(0, 6)], [2, 0, 0, 0, 97, 98]);
  deepEqual(toTexts(unpackBytes(packed, 3, "x"), "x"), ["ab", "", "é"]);
});

test("BYTES that are cut off, too few or too many are refused", () => {
  const packed = packBytes([utf8("ab"), utf8("c")]);
  for (const count of [0, 1, 3]) {
    throws(() => unpackBytes(packed, count, "x"), { fault: "invalid" });
  }
  for (let length = 1; length < packed.length; length += 1) {
    if (length === 6) continue;
    throws(() => unpackBytes(packed.subarray(0, length), 2, "x"), { fault: "invalid" });
  }
  throws(() => unpackBytes(Uint8Array.of(255, 255, 255, 255, 0), 1, "x"), { fault: "invalid" });
});

test("any bytes are either elements that fill them, or refused", (t) => {
  const random = seeded(t);
  for (let round = 0; round < 2_000; round += 1) {
    const bytes = Uint8Array.from({ length: random.int(24) }, () => random.int(4));
    const count = random.int(4);
    try {
      equal(packBytes(unpackBytes(bytes, count, "x")).length, bytes.length);
    } catch (error) {
      equal((error as { fault?: string }).fault, "invalid");
    }
  }
});

test("a BYTES element that is not UTF-8 is no text", () => {
  throws(() => toTexts([utf8("a"), Uint8Array.of(0xff)], "inputs[0]"), {
    message: "inputs[0]: element 1 is not UTF-8",
  });
  deepEqual(toTexts([utf8("\ufeffa")], "x"), ["\ufeffa"]);
});
