import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import { toBase64, toJsonArray, toJsonArrays } from "./json-vectors.js";

test("every float32 comes back as itself", (t) => {
  const random = seeded(t);
  const bits = Uint32Array.from({ length: 20_000 }, () => random.int(2 ** 32));
  const vector = new Float32Array(bits.buffer).filter(Number.isFinite);
  const edges = Float32Array.of(0, 1, -1, 1 / 128, 1e-45, -3.4e38, 0.1, -0.062_771_7);
  for (const values of [vector, edges]) {
    const parsed = JSON.parse(toJsonArray(values)) as number[];
    deepEqual(Float32Array.from(parsed), values);
  }
});

test("numbers of a unit vector have no more digits than they need", () => {
  const json = toJsonArray(Float32Array.of(0.1, -0.062_771_7, 0.5));
  equal(json, "[0.100000001,-0.062771700,0.5]".replace("700,", "7,"));
});

test("rows are lists of a list", () => {
  equal(toJsonArrays(Float32Array.of(1, 2, 3, 4), 2), "[[1,2],[3,4]]");
});

test("base64 is little-endian float32", () => {
  const bytes = Buffer.from(toBase64(Float32Array.of(1, -2)), "base64");
  equal(bytes.readFloatLE(0), 1);
  ok(bytes.readFloatLE(4) === -2);
});
