import { type Datatype, elementBytes } from "../tensor.js";
import { invalid } from "./refusal.js";

/** Datatypes whose elements are numbers to JavaScript; FP16 is none, and goes through as raw bytes only. */
export type NumberDatatype = Exclude<Datatype, "BYTES" | "FP16">;

export function isDatatype(name: string): name is Datatype {
  return Object.hasOwn(elementBytes, name);
}

export function isNumberDatatype(datatype: Datatype): datatype is NumberDatatype {
  return datatype !== "BYTES" && datatype !== "FP16";
}

/** Elements as they lie in memory. Every machine that ONNX Runtime has a build for is little-endian. */
const arrayOf: Readonly<Record<NumberDatatype, ArrayType>> = {
  BOOL: Uint8Array,
  UINT8: Uint8Array,
  UINT16: Uint16Array,
  UINT32: Uint32Array,
  UINT64: BigUint64Array,
  INT8: Int8Array,
  INT16: Int16Array,
  INT32: Int32Array,
  INT64: BigInt64Array,
  FP32: Float32Array,
  FP64: Float64Array,
};

/** What all typed arrays have in common. */
interface ArrayType {
  new (
    buffer: ArrayBufferLike,
    byteOffset: number,
    length: number,
  ): ArrayBufferView & ArrayLike<number | bigint>;
  // Whether numbers or bigints go in is known to the caller only.
  from(values: ArrayLike<unknown>, map: (value: unknown) => never): ArrayBufferView;
}

/** Least and greatest value of each whole-number type. */
const rangeOf: Readonly<Partial<Record<Datatype, readonly [bigint, bigint]>>> = {
  UINT8: [0n, 2n ** 8n - 1n],
  UINT16: [0n, 2n ** 16n - 1n],
  UINT32: [0n, 2n ** 32n - 1n],
  UINT64: [0n, 2n ** 64n - 1n],
  INT8: [-(2n ** 7n), 2n ** 7n - 1n],
  INT16: [-(2n ** 15n), 2n ** 15n - 1n],
  INT32: [-(2n ** 31n), 2n ** 31n - 1n],
  INT64: [-(2n ** 63n), 2n ** 63n - 1n],
};

/** Elements as raw bytes: row-major, little-endian. Numbers outside the type are `invalid`. */
export function packNumbers(
  datatype: NumberDatatype,
  values: readonly (number | bigint | boolean)[],
  field: string,
): Uint8Array {
  const range = rangeOf[datatype];
  if (range !== undefined) requireWhole(values, { datatype, range, field });
  // Each kind of array takes what its conversion gives, which one signature for all cannot say.
  const convert = (isBig(datatype) ? BigInt : Number) as unknown as (value: unknown) => never;
  return bytesOf(arrayOf[datatype].from(values, convert));
}

/** Whether JavaScript has the elements as bigints. */
export function isBig(datatype: Datatype): boolean {
  return datatype === "INT64" || datatype === "UINT64";
}

function requireWhole(
  values: readonly (number | bigint | boolean)[],
  {
    datatype,
    range: [least, greatest],
    field,
  }: {
    readonly datatype: Datatype;
    readonly range: readonly [bigint, bigint];
    readonly field: string;
  },
): void {
  // Comparing a number with a bigint is exact in JavaScript, and never true for NaN.
  const isIn = (value: number | bigint | boolean): boolean =>
    typeof value !== "boolean" &&
    value >= least &&
    value <= greatest &&
    (typeof value === "bigint" || Number.isInteger(value));
  const wrong = values.findIndex((value) => !isIn(value));
  if (wrong >= 0) throw invalid(field, `element ${wrong} is no ${datatype}: ${values[wrong]}`);
}

/** Raw bytes as elements. */
export function unpackNumbers(
  datatype: NumberDatatype,
  bytes: Uint8Array,
): ArrayLike<number | bigint> {
  const size = elementBytes[datatype];
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  return new arrayOf[datatype](aligned.buffer, aligned.byteOffset, aligned.byteLength / size);
}

/** BYTES elements as raw bytes, each behind its length. */
export function packBytes(elements: readonly Uint8Array[]): Uint8Array {
  const size = elements.reduce((total, element) => total + 4 + element.length, 0);
  const packed = new Uint8Array(size);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const element of elements) {
    view.setUint32(at, element.length, true);
    packed.set(element, at + 4);
    at += 4 + element.length;
  }
  return packed;
}

/** The elements of raw BYTES; exactly `count`, filling all bytes, or `invalid`. */
export function unpackBytes(packed: Uint8Array, count: number, field: string): Uint8Array[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const elements: Uint8Array[] = [];
  let at = 0;
  while (at < packed.length) {
    const start = at + 4;
    const end = start <= packed.length ? start + view.getUint32(at, true) : Infinity;
    if (end > packed.length) throw invalid(field, `element ${elements.length} is cut off`);
    if (elements.length === count) throw invalid(field, `more than ${count} elements`);
    elements.push(packed.subarray(start, end));
    at = end;
  }
  if (elements.length < count) {
    throw invalid(field, `${elements.length} elements where the shape has ${count}`);
  }
  return elements;
}

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** BYTES elements as texts; one that is not UTF-8 is `invalid`. */
export function toTexts(elements: readonly Uint8Array[], field: string): string[] {
  return elements.map((element, index) => {
    try {
      return decoder.decode(element);
    } catch {
      // The decoder says no more than that it failed.
      throw invalid(field, `element ${index} is not UTF-8`);
    }
  });
}

function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
