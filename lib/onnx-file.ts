import { isUtf8 } from "node:buffer";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import type { MeshError } from "./errors.js";
import { invalid, reading } from "./invalid-file.js";

/** Different files that one model may keep its weights in. */
const locationsMax = 16_384;
const locationBytesMax = 4_096;
/** Protobuf's own limit of messages inside messages. */
const depthMax = 100;
/** Far beyond any real graph; it bounds the time that a file made to be slow can take. */
const fieldsMax = 20_000_000;
const bufferBytes = 65_536;

/**
 * The `location` of everything an ONNX file says is kept in other files, in no order. Skips through the file without
 * loading it. Says more rather than less: an entry counts whether or not its tensor uses it, because fields that appear
 * twice are merged by some readers. Throws `invalid`, with `name`, when the file is no ModelProto with a graph.
 */
export function externalDataOf(file: string, name: string = basename(file)): string[] {
  return reading(name, () => {
    const fd = openSync(file, "r");
    try {
      return new Scan(fd, name).run();
    } finally {
      closeSync(fd);
    }
  });
}

type Kind =
  | "model"
  | "graph"
  | "training"
  | "function"
  | "node"
  | "attribute"
  | "tensor"
  | "sparse"
  | "entry";

/** Field numbers of onnx.proto on the way to TensorProto.external_data. */
const fieldsOf: Readonly<Record<Kind, Readonly<Record<number, Kind>>>> = {
  model: { 7: "graph", 20: "training", 25: "function" },
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  training: { 1: "graph", 2: "graph" },
  function: { 7: "node", 11: "attribute" },
  node: { 5: "attribute" },
  attribute: {
    5: "tensor",
    6: "graph",
    10: "tensor",
    11: "graph",
    22: "sparse",
    23: "sparse",
  },
  tensor: { 13: "entry" },
  sparse: { 1: "tensor", 2: "tensor" },
  entry: {},
};

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

class Scan {
  readonly #fd: number;
  readonly #name: string;
  readonly #size: number;
  readonly #buffer = Buffer.allocUnsafe(bufferBytes);
  readonly #locations = new Set<string>();
  #bufferFrom = 0;
  #bufferEnd = 0;
  #position = 0;
  #fieldCount = 0;
  #hasGraph = false;

  constructor(fd: number, name: string) {
    this.#fd = fd;
    this.#name = name;
    this.#size = fstatSync(fd).size;
  }

  run(): string[] {
    this.#message("model", this.#size, 0);
    if (!this.#hasGraph) throw this.#invalid("is not an ONNX model: it has no graph");
    return [...this.#locations];
  }

  #message(kind: Kind, end: number, depth: number): void {
    if (depth > depthMax) throw this.#invalid("is nested too deep");
    if (kind === "entry") {
      this.#entry(end);
      return;
    }
    while (this.#position < end) {
      const { field, wireType } = this.#tag(end);
      const inner = fieldsOf[kind][field];
      if (inner === undefined || wireType !== wire.bytes) {
        this.#skip(wireType, end);
        continue;
      }
      if (kind === "model" && inner === "graph") this.#hasGraph = true;
      const innerEnd = this.#length(end) + this.#position;
      this.#message(inner, innerEnd, depth + 1);
    }
  }

  /** A StringStringEntryProto; of a field that appears twice, each value counts. */
  #entry(end: number): void {
    let isLocation = false;
    const values: (string | undefined)[] = [];
    while (this.#position < end) {
      const { field, wireType } = this.#tag(end);
      if (wireType !== wire.bytes || (field !== 1 && field !== 2)) {
        this.#skip(wireType, end);
        continue;
      }
      const text = this.#text(this.#length(end));
      if (field === 2) values.push(text);
      else isLocation ||= text === "location";
      if (values.length > locationsMax) throw this.#invalid("has an entry of too many values");
    }
    if (isLocation) for (const value of values) this.#add(value);
  }

  #add(location: string | undefined): void {
    if (location === undefined) {
      throw this.#invalid(`names external data by what is no path of ${locationBytesMax} bytes`);
    }
    this.#locations.add(location);
    if (this.#locations.size > locationsMax) {
      throw this.#invalid(`names more than ${locationsMax} files of external data`);
    }
  }

  #tag(end: number): { field: number; wireType: number } {
    this.#fieldCount += 1;
    if (this.#fieldCount > fieldsMax) throw this.#invalid(`has more than ${fieldsMax} fields`);
    const tag = this.#varint(end);
    if (tag < 8 || tag >= 2 ** 32) throw this.#damaged();
    return { field: Math.floor(tag / 8), wireType: tag % 8 };
  }

  #skip(wireType: number, end: number): void {
    if (wireType === wire.varint) this.#varint(end);
    else if (wireType === wire.bytes) this.#advance(this.#length(end), end);
    else if (wireType === wire.fixed64) this.#advance(8, end);
    else if (wireType === wire.fixed32) this.#advance(4, end);
    // ONNX has no groups.
    else throw this.#damaged();
  }

  #length(end: number): number {
    const length = this.#varint(end);
    if (length > end - this.#position) throw this.#damaged();
    return length;
  }

  #advance(bytes: number, end: number): void {
    if (bytes > end - this.#position) throw this.#damaged();
    this.#position += bytes;
  }

  /** Exact below 2^53, and above that far too large for whatever reads it. */
  #varint(end: number): number {
    let value = 0;
    for (let i = 0; i < 10; i += 1) {
      if (this.#position >= end) throw this.#damaged();
      const byte = this.#byte();
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    throw this.#damaged();
  }

  /** The text of the next bytes, or undefined when there are too many of them or they are not UTF-8. */
  #text(length: number): string | undefined {
    if (length > locationBytesMax) {
      this.#position += length;
      return undefined;
    }
    const bytes = Buffer.allocUnsafe(length);
    for (let i = 0; i < length; i += 1) bytes[i] = this.#byte();
    return isUtf8(bytes) ? bytes.toString("utf8") : undefined;
  }

  #byte(): number {
    if (this.#position < this.#bufferFrom || this.#position >= this.#bufferEnd) this.#fill();
    const byte = this.#buffer[this.#position - this.#bufferFrom] as number;
    this.#position += 1;
    return byte;
  }

  #fill(): void {
    const count = readSync(this.#fd, this.#buffer, 0, bufferBytes, this.#position);
    // The file was cut while we read it.
    if (count === 0) throw this.#damaged();
    this.#bufferFrom = this.#position;
    this.#bufferEnd = this.#position + count;
  }

  #damaged(): MeshError {
    return this.#invalid("is not an ONNX model, or is damaged");
  }

  #invalid(what: string): MeshError {
    return invalid(this.#name, what);
  }
}
