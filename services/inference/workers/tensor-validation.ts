import { MeshError } from "../../../lib/errors.js";
import { elementBytes } from "../../../lib/tensor.js";
import type { NamedTensor, TensorMetadata } from "../models/served-model.js";

/** Throws `invalid` unless the tensors are those the model asks for: each of them, by name, type and shape. */
export function validateTensors(
  inputs: readonly NamedTensor[],
  outputNames: readonly string[],
  model: {
    readonly inputs: readonly TensorMetadata[];
    readonly outputs: readonly TensorMetadata[];
  },
): void {
  const given = new Set<string>();
  for (const input of inputs) {
    const wanted = model.inputs.find(({ name }) => name === input.name);
    if (wanted === undefined) throw refusal(`unexpected input '${input.name}'`);
    if (given.has(input.name)) throw refusal(`input '${input.name}' is given twice`);
    given.add(input.name);
    validateTensor(input, wanted);
  }
  for (const { name } of model.inputs) {
    if (!given.has(name)) throw refusal(`input '${name}' is missing`);
  }
  for (const name of outputNames) {
    if (model.outputs.every((output) => output.name !== name)) {
      throw refusal(`unexpected output '${name}'`);
    }
  }
}

function validateTensor({ name, datatype, shape, bytes }: NamedTensor, wanted: TensorMetadata) {
  if (datatype !== wanted.datatype) {
    throw refusal(`input '${name}' has type ${datatype}, the model expects ${wanted.datatype}`);
  }
  const fits =
    shape.length === wanted.shape.length &&
    wanted.shape.every((size, axis) => size === -1 || size === shape[axis]);
  if (!fits) {
    throw refusal(
      `input '${name}' has shape [${shape.join(",")}], the model expects [${wanted.shape.join(",")}]`,
    );
  }
  // ONNX Runtime's kernels for int8 do not expect nothing, and end the process.
  if (shape.some((size) => !Number.isSafeInteger(size) || size < 1)) {
    throw refusal(`input '${name}' has shape [${shape.join(",")}]: every size must be at least 1`);
  }
  const elements = shape.reduce((product, size) => product * size, 1);
  if (datatype === "BYTES") return validateBytes(name, bytes, elements);
  const expected = elements * elementBytes[datatype];
  if (bytes.length !== expected) {
    throw refusal(`input '${name}' has ${bytes.length} bytes, its shape takes ${expected}`);
  }
}

/** Elements behind their lengths: as many as the shape says, each UTF-8, which is what ONNX calls a string. */
function validateBytes(name: string, bytes: Uint8Array, elements: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let at = 0;
  for (let element = 0; element < elements; element += 1) {
    const end = at + 4 <= bytes.length ? at + 4 + view.getUint32(at, true) : Number.NaN;
    if (!(end <= bytes.length)) throw refusal(`input '${name}' ends within element ${element}`);
    try {
      decoder.decode(bytes.subarray(at + 4, end));
    } catch {
      throw refusal(`element ${element} of input '${name}' is not UTF-8`);
    }
    at = end;
  }
  if (at !== bytes.length) throw refusal(`input '${name}' has more bytes than its shape takes`);
}

function refusal(message: string): MeshError {
  return new MeshError("invalid", message);
}
