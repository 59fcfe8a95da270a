import { type InferenceSession, Tensor } from "onnxruntime-node";
import { assert } from "../../../lib/assert.js";
import { packBytes, toTexts, unpackBytes } from "../../../lib/oip/elements.js";
import { elementCount } from "../../../lib/oip/tensors.js";
import type { Datatype } from "../../../lib/tensor.js";
import type { NamedTensor, TensorMetadata } from "../models/served-model.js";

const encoder = new TextEncoder();

/** Runs requests of raw tensors. */
export class TensorRun {
  readonly #session: InferenceSession;
  /** Those that are tensors. */
  readonly #outputNames: readonly string[];

  constructor(session: InferenceSession) {
    this.#session = session;
    this.#outputNames = metadataOf(session.outputMetadata).map(({ name }) => name);
  }

  async run(
    inputs: readonly NamedTensor[],
    outputNames: readonly string[],
  ): Promise<readonly NamedTensor[]> {
    const feeds = Object.fromEntries(inputs.map((input) => [input.name, toTensor(input)]));
    const names = outputNames.length === 0 ? this.#outputNames : outputNames;
    const results = await this.#session.run(feeds, [...names]);
    return names.map((name) => {
      const tensor = results[name];
      assert(tensor !== undefined);
      return fromTensor(name, tensor);
    });
  }
}

/** ONNX Runtime's names of the types, and the arrays that hold them. */
const types = {
  BOOL: ["bool", Uint8Array],
  UINT8: ["uint8", Uint8Array],
  UINT16: ["uint16", Uint16Array],
  UINT32: ["uint32", Uint32Array],
  UINT64: ["uint64", BigUint64Array],
  INT8: ["int8", Int8Array],
  INT16: ["int16", Int16Array],
  INT32: ["int32", Int32Array],
  INT64: ["int64", BigInt64Array],
  FP16: ["float16", Uint16Array],
  FP32: ["float32", Float32Array],
  FP64: ["float64", Float64Array],
} as const;

/** Inputs and outputs that are tensors, by the names of the Open Inference Protocol. */
export function metadataOf(
  values: readonly InferenceSession.ValueMetadata[],
): readonly TensorMetadata[] {
  return values.flatMap((value) => {
    const datatype = value.isTensor ? datatypeOf(value.type) : undefined;
    if (!value.isTensor || datatype === undefined) return [];
    const shape = value.shape.map((size) => (typeof size === "number" && size >= 0 ? size : -1));
    return [{ name: value.name, datatype, shape }];
  });
}

function datatypeOf(type: Tensor.Type): Datatype | undefined {
  if (type === "string") return "BYTES";
  const found = Object.entries(types).find(([, [name]]) => name === type);
  return found?.[0] as Datatype | undefined;
}

function toTensor({ name, datatype, shape, bytes }: NamedTensor): Tensor {
  if (datatype === "BYTES") {
    const elements = unpackBytes(bytes, elementCount(shape), name);
    return new Tensor("string", toTexts(elements, name), shape);
  }
  const [type, TypedArray] = types[datatype];
  // A copy of its own: the view may not be aligned.
  const data = new TypedArray(bytes.slice().buffer);
  // The pairs in `types` are those that ONNX Runtime takes.
  return new Tensor(type as "float32", data as unknown as Float32Array, shape);
}

function fromTensor(name: string, tensor: Tensor): NamedTensor {
  const datatype = datatypeOf(tensor.type);
  assert(datatype !== undefined, `output ${name} has a type of no name`);
  const shape = [...tensor.dims];
  if (datatype === "BYTES") {
    const texts = tensor.data as unknown as string[];
    return { name, datatype, shape, bytes: packBytes(texts.map((text) => encoder.encode(text))) };
  }
  const { buffer, byteOffset, byteLength } = tensor.data as Float32Array;
  return { name, datatype, shape, bytes: new Uint8Array(buffer, byteOffset, byteLength).slice() };
}
