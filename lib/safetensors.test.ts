import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { seeded } from "../test/support/random.js";
import { safetensorsBytes, temporaryFolder } from "../test/support/tiny-models.js";
import { MeshError } from "./errors.js";
import { readSafetensors } from "./safetensors.js";

function fileOf(t: TestContext, bytes: Uint8Array): string {
  const file = join(temporaryFolder(t), "model.safetensors");
  writeFileSync(file, bytes);
  return file;
}

function bytesOf(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = Buffer.from(typeof header === "string" ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

function refuses(t: TestContext, bytes: Uint8Array, what: RegExp): void {
  throws(
    () => readSafetensors(fileOf(t, bytes), ["x"], "2_Dense/model.safetensors"),
    (error) => {
      ok(error instanceof MeshError && error.fault === "invalid");
      ok(error.message.startsWith("2_Dense/model.safetensors: "), error.message);
      ok(what.test(error.message), error.message);
      return true;
    },
  );
}

test("float32 tensors are read as they are, and those that are missing left out", (t) => {
  const bytes = safetensorsBytes({
    bias: { shape: [2], values: [0.1, -3e38] },
    weight: { shape: [2, 2], values: [1, 2, 3, 4] },
  });
  const tensors = readSafetensors(fileOf(t, bytes), ["weight", "bias", "other", "toString"]);
  deepEqual([...tensors.keys()], ["weight", "bias"]);
  deepEqual(tensors.get("weight"), { shape: [2, 2], values: Float32Array.of(1, 2, 3, 4) });
  deepEqual(tensors.get("bias")?.values, Float32Array.of(0.1, -3e38));
});

test("half precision becomes float32: normal, subnormal, zero, infinite", (t) => {
  // 1, -2, 65504, 2^-14, 2^-24, -0, -infinity, NaN.
  const halves = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 1, 0x8000, 0xfc00, 0x7e00);
  const header = { x: { dtype: "F16", shape: [8], data_offsets: [0, 16] } };
  const file = fileOf(t, bytesOf(header, new Uint8Array(halves.buffer)));
  const expected = [1, -2, 65_504, 2 ** -14, 2 ** -24, -0, Number.NEGATIVE_INFINITY, Number.NaN];
  deepEqual([...(readSafetensors(file, ["x"]).get("x")?.values ?? [])], expected);
});

test("bfloat16 is the upper half of a float32", (t) => {
  const brains = Uint16Array.of(0x3f80, 0xc040, 0x7f80, 0x4049);
  const header = { x: { dtype: "BF16", shape: [2, 2], data_offsets: [0, 8] } };
  const file = fileOf(t, bytesOf(header, new Uint8Array(brains.buffer)));
  const values = readSafetensors(file, ["x"]).get("x")?.values;
  deepEqual(values, Float32Array.of(1, -3, Number.POSITIVE_INFINITY, 3.140_625));
});

test("other types are refused when they are wanted, and only then", (t) => {
  const header = { x: { dtype: "I64", shape: [1], data_offsets: [0, 8] } };
  const bytes = bytesOf(header, new Uint8Array(8));
  refuses(t, bytes, /x: dtype: /);
  equal(readSafetensors(fileOf(t, bytes), ["y"]).size, 0);
});

test("a damaged header is refused", (t) => {
  const endless = Buffer.alloc(16, 0xff);
  refuses(t, Buffer.alloc(7), /too short/);
  refuses(t, endless, /header is too long/);
  refuses(t, bytesOf("{"), /not a JSON object/);
  refuses(t, bytesOf("null"), /not a JSON object/);
  refuses(t, bytesOf({ x: 1 }), /x: /);
});

test("offsets outside the file, and sizes that do not fit the shape, are refused", (t) => {
  const x = (shape: readonly unknown[], ...data_offsets: readonly unknown[]) =>
    bytesOf({ x: { dtype: "F32", shape, data_offsets } }, new Uint8Array(16));
  refuses(t, x([4], 4, 20), /ends after the file/);
  refuses(t, x([4], 0, 12), /not as long as its shape/);
  refuses(t, x([4], 16, 0), /not as long as its shape/);
  refuses(t, x([2 ** 40, 2 ** 40], 0, 16), /not as long as its shape/);
  refuses(t, x([-1], 0, 4), /shape/);
  refuses(t, x([1.5], 0, 6), /shape/);
  refuses(t, x([4], -16, 0), /data_offsets/);
  refuses(t, x([4], 0), /data_offsets/);
});

test("a file that does not exist is refused like any other", () => {
  throws(() => readSafetensors("/nowhere/x.safetensors", ["x"]), {
    fault: "invalid",
    message: "x.safetensors: cannot be read (ENOENT)",
  });
});

test("a cut or changed file is read or refused", (t) => {
  const random = seeded(t);
  const whole = safetensorsBytes({ x: { shape: [3, 2], values: [1, 2, 3, 4, 5, 6] } });
  const file = fileOf(t, whole);
  for (let round = 0; round < 500; round += 1) {
    const bytes = whole.slice(0, random.int(3) === 0 ? random.int(whole.length) : whole.length);
    for (let change = random.int(4); change > 0; change -= 1) {
      bytes[random.int(bytes.length)] = random.int(256);
    }
    writeFileSync(file, bytes);
    try {
      ok(readSafetensors(file, ["x"]).size <= 1);
    } catch (error) {
      ok(error instanceof MeshError && error.fault === "invalid", `${error}`);
    }
  }
});
