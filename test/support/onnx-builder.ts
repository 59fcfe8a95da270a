import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";

/** Writes ONNX files from scratch: opset 17, field numbers of onnx.proto. */
export interface OnnxGraph {
  readonly inputs: readonly ValueInfo[];
  readonly outputs: readonly ValueInfo[];
  readonly nodes: readonly OnnxNode[];
  readonly initializers?: readonly OnnxTensor[];
}

export const elementType = {
  float32: 1,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
} as const;
export type ElementType = keyof typeof elementType;

export interface ValueInfo {
  readonly name: string;
  readonly type: ElementType;
  /** A number, or the name of a size that is known when the model runs. */
  readonly shape: readonly (number | string)[];
  /** Whether it is a sequence of such tensors. */
  readonly isSequence?: boolean;
}

export interface OnnxNode {
  readonly op: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export type Attribute =
  | { readonly int: number }
  | { readonly ints: readonly number[] }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly tensor: OnnxTensor };

export interface OnnxTensor {
  readonly name: string;
  readonly type: ElementType;
  readonly shape: readonly number[];
  /** Row-major, little-endian. */
  readonly data: Uint8Array | External;
}

/** Data in another file; `location` is relative to the model's file. */
export interface External {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

export function floats(
  name: string,
  shape: readonly number[],
  values: Iterable<number>,
): OnnxTensor {
  return { name, type: "float32", shape, data: bytesOf(Float32Array.from(values)) };
}

export function int32s(
  name: string,
  shape: readonly number[],
  values: Iterable<number>,
): OnnxTensor {
  return { name, type: "int32", shape, data: bytesOf(Int32Array.from(values)) };
}

export function int64s(
  name: string,
  shape: readonly number[],
  values: Iterable<number>,
): OnnxTensor {
  return { name, type: "int64", shape, data: bytesOf(BigInt64Array.from([...values].map(BigInt))) };
}

/** The bytes of a ModelProto. */
export function onnxBytes(graph: OnnxGraph): Uint8Array {
  const writer = new BinaryWriter();
  varint(writer, 1, 9);
  text(writer, 2, "arrowmesh-test");
  inner(writer, 7, () => writeGraph(writer, graph));
  inner(writer, 8, () => {
    text(writer, 1, "");
    varint(writer, 2, 17);
  });
  return writer.finish();
}

function writeGraph(writer: BinaryWriter, graph: OnnxGraph): void {
  for (const node of graph.nodes) inner(writer, 1, () => writeNode(writer, node));
  text(writer, 2, "graph");
  for (const tensor of graph.initializers ?? []) {
    inner(writer, 5, () => writeTensor(writer, tensor));
  }
  for (const value of graph.inputs) inner(writer, 11, () => writeValue(writer, value));
  for (const value of graph.outputs) inner(writer, 12, () => writeValue(writer, value));
}

function writeNode(writer: BinaryWriter, node: OnnxNode): void {
  for (const name of node.inputs) text(writer, 1, name);
  for (const name of node.outputs) text(writer, 2, name);
  text(writer, 4, node.op);
  for (const [name, attribute] of Object.entries(node.attributes ?? {})) {
    inner(writer, 5, () => {
      text(writer, 1, name);
      writeAttribute(writer, attribute);
    });
  }
}

/** The value, then the AttributeType that says which value it is. */
function writeAttribute(writer: BinaryWriter, attribute: Attribute): void {
  if ("float" in attribute) {
    writer.tag(2, WireType.Bit32).float(attribute.float);
    varint(writer, 20, 1);
  } else if ("int" in attribute) {
    varint(writer, 3, attribute.int);
    varint(writer, 20, 2);
  } else if ("string" in attribute) {
    text(writer, 4, attribute.string);
    varint(writer, 20, 3);
  } else if ("tensor" in attribute) {
    inner(writer, 5, () => writeTensor(writer, attribute.tensor));
    varint(writer, 20, 4);
  } else {
    for (const value of attribute.ints) varint(writer, 8, value);
    varint(writer, 20, 7);
  }
}

function writeTensor(writer: BinaryWriter, { name, type, shape, data }: OnnxTensor): void {
  for (const size of shape) varint(writer, 1, size);
  varint(writer, 2, elementType[type]);
  text(writer, 8, name);
  if (data instanceof Uint8Array) {
    writer.tag(9, WireType.LengthDelimited).bytes(data);
    return;
  }
  for (const [key, value] of Object.entries(data)) {
    inner(writer, 13, () => {
      text(writer, 1, key);
      text(writer, 2, `${value}`);
    });
  }
  varint(writer, 14, 1);
}

function writeValue(writer: BinaryWriter, value: ValueInfo): void {
  text(writer, 1, value.name);
  inner(writer, 2, () => {
    if (value.isSequence) inner(writer, 4, () => inner(writer, 1, () => writeType(writer, value)));
    else writeType(writer, value);
  });
}

/** Of TypeProto, its Tensor, its TensorShapeProto, and a Dimension for each size. */
function writeType(writer: BinaryWriter, { type, shape }: ValueInfo): void {
  inner(writer, 1, () => {
    varint(writer, 1, elementType[type]);
    inner(writer, 2, () => {
      for (const size of shape) {
        inner(writer, 1, () => {
          if (typeof size === "number") varint(writer, 1, size);
          else text(writer, 2, size);
        });
      }
    });
  });
}

function inner(writer: BinaryWriter, field: number, write: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  write();
  writer.join();
}

function varint(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value);
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function bytesOf(array: Float32Array | Int32Array | BigInt64Array): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}
