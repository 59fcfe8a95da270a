import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import { JsonWriter, toBase64, toJsonArrays } from "./json-vectors.js";

function parse(values: Float32Array): number[] {
  const [parsed = []] = JSON.parse(toJsonArrays([values]).toString()) as number[][];
  return parsed;
}

test("every float32 comes back as itself", (t) => {
  const random = seeded(t);
  const bits = Uint32Array.from({ length: 20_000 }, () => random.int(2 ** 32));
  const vector = new Float32Array(bits.buffer).filter(Number.isFinite);
  const edges = Float32Array.of(0, 1, -1, 1 / 128, 1e-45, -3.4e38, 0.1, -0.062_771_7);
  for (const values of [vector, edges]) {
    deepEqual(Float32Array.from(parse(values)), values);
  }
});

test("numbers have the fewest digits that read back as the same float32", (t) => {
  const random = seeded(t);
  const values = Float32Array.from(
    { length: 20_000 },
    () => (random.int(2 ** 31) / 2 ** 31 - 0.5) / 5,
  );
  const texts = toJsonArrays([values]).toString().slice(2, -2).split(",");
  for (const [index, text] of texts.entries()) {
    const value = values[index] as number;
    equal(Math.fround(Number(text)), value);
    const digits = text.replace(/^-?0\.0*/, "").length;
    if (Math.abs(value) >= 1e-4)
      notEqual(Math.fround(Number(value.toPrecision(digits - 1))), value);
  }
});

test("what JSON has no number for is null", () => {
  equal(toJsonArrays([Float32Array.of(Number.NaN, -0, Infinity)]).toString(), "[[null,0,null]]");
});

test("rows are lists of a list", () => {
  const rows = [Float32Array.of(1, 2), Float32Array.of(3, -0.25)];
  equal(toJsonArrays(rows).toString(), "[[1,2],[3,-0.25]]");
  equal(toJsonArrays([]).toString(), "[]");
});

test("the writer has room for the longest numbers and other text", () => {
  const longest = new Float32Array(1_000).fill(-1.401298464324817e-45);
  const writer = new JsonWriter([longest], 5);
  writer.text("é");
  writer.vector(longest);
  equal(writer.done().toString(), `é${JSON.stringify([...longest])}`);
});

test("base64 is little-endian float32", () => {
  const bytes = Buffer.from(toBase64(Float32Array.of(1, -2)), "base64");
  equal(bytes.readFloatLE(0), 1);
  ok(bytes.readFloatLE(4) === -2);
});
