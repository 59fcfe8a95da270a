import {
  isBig,
  type NumberDatatype,
  packBytes,
  packNumbers,
  toTexts,
  unpackBytes,
  unpackNumbers,
} from "../../../lib/oip/elements.js";
import { invalid } from "../../../lib/oip/refusal.js";
import { elementCount, rankMax } from "../../../lib/oip/tensors.js";
import type { Datatype } from "../../../lib/tensor.js";
import { toJsonArrays } from "../http/json-vectors.js";

/** A tensor's JSON `data`, nested or flat, as raw bytes. */
export function readJsonData(
  data: unknown,
  { datatype, shape }: { readonly datatype: Datatype; readonly shape: readonly number[] },
  field: string,
): Uint8Array {
  const values = flatten(data, field);
  const count = elementCount(shape);
  if (values.length !== count) {
    throw invalid(field, `${values.length} elements where the shape has ${count}`);
  }
  if (datatype === "FP16") throw invalid(field, "FP16 has no JSON form; send it as binary data");
  if (datatype === "BYTES") return packBytes(values.map((value, i) => readText(value, i, field)));
  const read = datatype === "BOOL" ? readBoolean : isBig(datatype) ? readBig : readNumber;
  return packNumbers(
    datatype,
    values.map((value, index) => read(value, index, field)),
    field,
  );
}

/** Raw bytes as JSON: a flat list, row-major. */
export function writeJsonData(
  bytes: Uint8Array,
  { datatype, shape }: { readonly datatype: Datatype; readonly shape: readonly number[] },
  field: string,
): string {
  if (datatype === "FP16") throw invalid(field, "FP16 has no JSON form; ask for binary_data");
  if (datatype === "BYTES") {
    return JSON.stringify(toTexts(unpackBytes(bytes, elementCount(shape), field), field));
  }
  return writeNumbers(datatype, unpackNumbers(datatype, bytes));
}

function writeNumbers(datatype: NumberDatatype, values: ArrayLike<number | bigint>): string {
  if (values instanceof Float32Array) return toJsonArrays([values]).toString("latin1").slice(1, -1);
  // JSON has no name for what is not finite; null is what JavaScript makes of it, and NumPy makes NaN of null.
  const write = (value: number | bigint): string =>
    typeof value === "bigint" || Number.isFinite(value) ? String(value) : "null";
  const convert = datatype === "BOOL" ? (value: number | bigint) => String(value !== 0) : write;
  return `[${Array.from(values, convert).join(",")}]`;
}

function flatten(data: unknown, field: string): unknown[] {
  if (!Array.isArray(data)) throw invalid(field, "expected a list");
  const values: unknown[] = [];
  const visit = (list: readonly unknown[], depth: number): void => {
    if (depth > rankMax) throw invalid(field, `lists within lists deeper than ${rankMax}`);
    for (const item of list) {
      if (Array.isArray(item)) visit(item, depth + 1);
      else values.push(item);
    }
  };
  visit(data, 1);
  return values;
}

const encoder = new TextEncoder();

function readText(value: unknown, index: number, field: string): Uint8Array {
  if (typeof value !== "string") throw invalid(field, `element ${index} is no string`);
  if (!value.isWellFormed()) {
    throw invalid(field, `element ${index} is not well-formed Unicode`);
  }
  return encoder.encode(value);
}

function readBoolean(value: unknown, index: number, field: string): boolean {
  if (typeof value === "boolean") return value;
  if (value === 0 || value === 1) return value === 1;
  throw invalid(field, `element ${index} is neither true nor false`);
}

function readNumber(value: unknown, index: number, field: string): number {
  if (typeof value !== "number") throw invalid(field, `element ${index} is no number`);
  return value;
}

/** JSON numbers are doubles here: one that is not exact must not pass for another. */
function readBig(value: unknown, index: number, field: string): bigint {
  if (!Number.isSafeInteger(value)) {
    const reason = "is no whole number that JSON carries exactly; send it as binary data";
    throw invalid(field, `element ${index} ${reason}`);
  }
  return BigInt(value as number);
}
