import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import { float32BytesMax, writeFloat32 } from "./float32-text.js";

const bytes = Buffer.alloc(float32BytesMax);
const view = new DataView(new ArrayBuffer(4));

function textOf(value: number): string {
  view.setFloat32(0, value);
  return bytes.toString("latin1", 0, writeFloat32(bytes, 0, value, view.getUint32(0)));
}

/** Digits that count: 12 for 0.0012, 1200 and 1.2e-7. */
function digitsOf(text: string): number {
  return text.replace(/e.*|[-.]/g, "").replace(/^0+|0+$/g, "").length;
}

/** Whether one digit less could say it: with the nearest number, or one of those beside it. */
function hasShorterForm(value: number, digits: number): boolean {
  if (digits < 2) return false;
  const [figures = "", exponent] = value.toExponential(digits - 2).split("e");
  const whole = Number(figures.replace(".", ""));
  return [whole - 1, whole, whole + 1].some(
    (near) => Math.fround(Number(`${near}e${Number(exponent) - digits + 2}`)) === value,
  );
}

function requireShortest(value: number): void {
  const text = textOf(value);
  ok(Math.fround(Number(text)) === value, text);
  equal(JSON.parse(text), Number(text));
  ok(!hasShorterForm(value, digitsOf(text)), `${text} is not the shortest form of ${value}`);
}

test("float32s of any bits read back exactly and have no shorter form", (t) => {
  const random = seeded(t);
  for (let i = 0; i < 20_000; i += 1) {
    view.setUint32(0, random.int(2 ** 32));
    const value = view.getFloat32(0);
    if (Number.isFinite(value)) requireShortest(value);
  }
});

test("the numbers of vectors read back exactly and have no shorter form", (t) => {
  const random = seeded(t);
  for (const size of [1e-3, 1, 1e3, 1e7]) {
    for (let i = 0; i < 10_000; i += 1) {
      requireShortest(Math.fround((random.int(2 ** 31) / 2 ** 30 - 1) * size));
    }
  }
});

test("powers of two, their neighbours and numbers of few digits have no shorter form", () => {
  for (let exponent = -149; exponent < 128; exponent += 1) {
    view.setFloat32(0, 2 ** exponent);
    const bits = view.getUint32(0);
    for (const near of [bits - 1, bits, bits + 1]) {
      view.setUint32(0, near);
      requireShortest(view.getFloat32(0));
      requireShortest(-view.getFloat32(0));
    }
  }
  for (let tenths = -2_000; tenths < 2_000; tenths += 1) {
    equal(textOf(Math.fround(tenths / 100)), String(tenths / 100));
  }
});
