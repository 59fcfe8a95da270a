import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import { JsonWriter, toJsonArrays } from "./json-vectors.js";

function parse(values: Float32Array): number[] {
  const [parsed = []] = JSON.parse(toJsonArrays([values]).toString()) as number[][];
  return parsed;
}

test("a vector comes back as itself", (t) => {
  const random = seeded(t);
  const bits = Uint32Array.from({ length: 20_000 }, () => random.int(2 ** 32));
  const vector = new Float32Array(bits.buffer).filter(Number.isFinite);
  deepEqual(Float32Array.from(parse(vector)), vector);
});

test("what JSON has no number for is null", () => {
  equal(toJsonArrays([Float32Array.of(Number.NaN, -0, Infinity)]).toString(), "[[null,0,null]]");
});

test("rows are lists of a list", () => {
  const rows = [Float32Array.of(1, 2), Float32Array.of(3, -0.25)];
  equal(toJsonArrays(rows).toString(), "[[1,2],[3,-0.25]]");
  equal(toJsonArrays([]).toString(), "[]");
});

test("vectors that are remembered are written as others are, the first time and later", (t) => {
  const random = seeded(t);
  const vectors = Array.from({ length: 20 }, (_, index) =>
    Float32Array.from({ length: index }, () => random.int(2_000) / 1_000 - 1),
  );
  const others = vectors.map((vector) => vector.slice());
  for (let round = 0; round < 3; round += 1) {
    equal(toJsonArrays(vectors, true).toString(), toJsonArrays(others).toString());
    // Among others, and in another order.
    const some = vectors.filter(() => random.int(2) === 0).reverse();
    equal(toJsonArrays(some, true).toString(), toJsonArrays(some).toString());
  }
});

test("the text of a vector is remembered under the vector itself, not under its place or its values", () => {
  const vector = Float32Array.of(1, 2);
  equal(toJsonArrays([vector], true).toString(), "[[1,2]]");
  // Nobody may do this; it shows that the text came from memory.
  vector[0] = 7;
  equal(toJsonArrays([vector], true).toString(), "[[1,2]]");
  equal(toJsonArrays([vector]).toString(), "[[7,2]]");
  equal(toJsonArrays([vector.slice()], true).toString(), "[[7,2]]");
});

test("the writer has room for the longest numbers and other text", () => {
  const longest = new Float32Array(1_000).fill(-987_654_300_000_000_000_000);
  const writer = new JsonWriter([longest], { otherBytesMax: 5 });
  writer.text("é");
  writer.vector(longest);
  deepEqual(writer.done().toString().split(",", 2), [
    "é[-987654300000000000000",
    "-987654300000000000000",
  ]);
});

test("base64 is little-endian float32, of a part of a buffer too", () => {
  const part = Float32Array.of(0, 1, -2).subarray(1);
  const writer = new JsonWriter([part]);
  writer.base64(part);
  const bytes = Buffer.from(JSON.parse(writer.done().toString()), "base64");
  deepEqual([bytes.length, bytes.readFloatLE(0), bytes.readFloatLE(4)], [8, 1, -2]);
});
