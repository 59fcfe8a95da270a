import type {
  InferTensorContents,
  ModelInferRequest_InferInputTensor as InputTensor,
  ModelInferRequest,
} from "../../gen/inference/grpc_service_pb.js";
import { type Datatype, elementBytes } from "../tensor.js";
import { isDatatype, packBytes, packNumbers, unpackBytes } from "./elements.js";
import { invalid, requireName, unsupported } from "./refusal.js";

/** A tensor in the form of `raw_input_contents`. */
export interface RawTensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  /** Row-major, little-endian; BYTES elements each behind a 4-byte length. */
  readonly bytes: Uint8Array;
}

/** Inputs, or requested outputs, of one request. */
export const tensorsMax = 64;
/** Entries of a shape. */
export const rankMax = 16;
/** One entry of a shape. */
const dimensionMax = 2 ** 31 - 1;

/** The inputs of a request as raw tensors whose bytes are exactly what their shapes say, or `invalid`. */
export function readInputs({ inputs, rawInputContents }: ModelInferRequest): RawTensor[] {
  requireDistinct(inputs, "inputs");
  const isRaw = rawInputContents.length > 0;
  if (isRaw && rawInputContents.length !== inputs.length) {
    const counts = `${rawInputContents.length} entries for ${inputs.length} inputs`;
    throw invalid("raw_input_contents", `${counts}; it holds the data of all inputs or of none`);
  }
  return inputs.map((input, index) => readInput(input, index, rawInputContents[index]));
}

/** The names of the outputs that a request asks for; none means all. */
export function readOutputNames({ outputs }: ModelInferRequest): string[] {
  requireDistinct(outputs, "outputs");
  for (const { parameters } of outputs) {
    if (parameters.shared_memory_region !== undefined) throw unsupported("shared memory is");
    if (parameters.classification !== undefined) {
      throw unsupported("the classification extension is");
    }
  }
  return outputs.map(({ name }) => name);
}

/** How many elements a shape has. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

function requireDistinct(tensors: readonly { readonly name: string }[], field: string): void {
  if (tensors.length > tensorsMax) throw invalid(field, `more than ${tensorsMax}`);
  const names = new Set<string>();
  for (const [index, { name }] of tensors.entries()) {
    requireName(name, `${field}[${index}].name`);
    if (names.has(name)) throw invalid(`${field}[${index}].name`, `"${name}" is there twice`);
    names.add(name);
  }
}

function readInput(
  { name, datatype, shape: sizes, contents, parameters }: InputTensor,
  index: number,
  raw: Uint8Array | undefined,
): RawTensor {
  const field = `inputs[${index}]`;
  if (parameters.shared_memory_region !== undefined) throw unsupported("shared memory is");
  if (!isDatatype(datatype)) {
    requireName(datatype, `${field}.datatype`);
    throw invalid(`${field}.datatype`, `unknown datatype "${datatype}"`);
  }
  const shape = readShape(sizes, `${field}.shape`);
  if (raw !== undefined && !isEmpty(contents)) {
    throw invalid(`${field}.contents`, "given beside raw_input_contents");
  }
  const expected = { datatype, count: elementCount(shape) };
  const bytes = raw ?? packContents(contents, expected, `${field}.contents`);
  if (raw !== undefined) requireSize(raw, expected, `raw_input_contents[${index}]`);
  return { name, datatype, shape, bytes };
}

function readShape(sizes: readonly bigint[], field: string): number[] {
  if (sizes.length > rankMax) throw invalid(field, `more than ${rankMax} dimensions`);
  const shape = sizes.map(Number);
  // Kernels of ONNX Runtime end the whole process over tensors without elements.
  if (shape.some((size) => size < 1 || size > dimensionMax)) {
    throw invalid(field, `[${sizes}] is not within 1..${dimensionMax}`);
  }
  if (!Number.isSafeInteger(elementCount(shape))) throw invalid(field, `[${sizes}] is too large`);
  return shape;
}

/** Some clients send the message even when nothing is in it. */
function isEmpty(contents: InferTensorContents | undefined): boolean {
  const fields = Object.values(fieldOf).map(([key]) => contents?.[key] ?? []);
  return fields.every((values) => values.length === 0);
}

interface Expected {
  readonly datatype: Datatype;
  readonly count: number;
}

function requireSize(bytes: Uint8Array, { datatype, count }: Expected, field: string): void {
  if (datatype === "BYTES") {
    unpackBytes(bytes, count, field);
    return;
  }
  const size = count * elementBytes[datatype];
  if (bytes.length !== size) {
    throw invalid(field, `${bytes.length} bytes where ${count} x ${datatype} take ${size}`);
  }
}

type ContentsField = Exclude<keyof InferTensorContents, "$typeName" | "$unknown">;

/** The field of typed contents that holds each datatype; FP16 has none. */
const fieldOf: Readonly<Record<Exclude<Datatype, "FP16">, readonly [ContentsField, string]>> = {
  BOOL: ["boolContents", "bool_contents"],
  UINT8: ["uintContents", "uint_contents"],
  UINT16: ["uintContents", "uint_contents"],
  UINT32: ["uintContents", "uint_contents"],
  UINT64: ["uint64Contents", "uint64_contents"],
  INT8: ["intContents", "int_contents"],
  INT16: ["intContents", "int_contents"],
  INT32: ["intContents", "int_contents"],
  INT64: ["int64Contents", "int64_contents"],
  FP32: ["fp32Contents", "fp32_contents"],
  FP64: ["fp64Contents", "fp64_contents"],
  BYTES: ["bytesContents", "bytes_contents"],
};

function packContents(
  contents: InferTensorContents | undefined,
  { datatype, count }: Expected,
  field: string,
): Uint8Array {
  if (datatype === "FP16") throw invalid(field, "FP16 goes in raw_input_contents only");
  const [key, name] = fieldOf[datatype];
  const values = contents?.[key] ?? [];
  if (values.length !== count) {
    throw invalid(`${field}.${name}`, `${values.length} elements where the shape has ${count}`);
  }
  if (datatype === "BYTES") return packBytes(contents?.bytesContents ?? []);
  // Only bytes_contents holds anything but numbers and booleans.
  return packNumbers(datatype, values as readonly (number | bigint | boolean)[], field);
}
