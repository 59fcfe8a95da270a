import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { basename } from "node:path";
import { z } from "zod";
import { invalid, problemsOf, reading } from "./invalid-file.js";

export interface SafeTensor {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: Float32Array;
}

const headerBytesMax = 64 << 20;
const tensorBytesMax = 1 << 30;

/**
 * The named tensors of a safetensors file, as float32; those that it lacks are left out. Throws `invalid`, with `name`,
 * when the file is damaged or a wanted tensor has elements other than F32, F16 and BF16.
 */
export function readSafetensors(
  file: string,
  wanted: readonly string[],
  name: string = basename(file),
): ReadonlyMap<string, SafeTensor> {
  return reading(name, () => {
    const fd = openSync(file, "r");
    try {
      const source = { fd, name, size: fstatSync(fd).size };
      const { entries, dataFrom } = readHeader(source);
      const found = wanted.filter((key) => Object.hasOwn(entries, key));
      return new Map(found.map((key) => [key, readTensor(source, dataFrom, key, entries[key])]));
    } finally {
      closeSync(fd);
    }
  });
}

interface Source {
  readonly fd: number;
  readonly name: string;
  readonly size: number;
}

const element = {
  F32: { bytes: 4, decode: (data: Buffer) => floatsOf(data) },
  F16: { bytes: 2, decode: (data: Buffer) => halvesOf(data).map(fromHalf) },
  BF16: { bytes: 2, decode: (data: Buffer) => halvesOf(data).map(fromBrain) },
} as const;

const entrySchema = z.object({
  dtype: z.enum(["F32", "F16", "BF16"]),
  shape: z.array(z.int().min(0)).max(8),
  data_offsets: z.tuple([z.int().min(0), z.int().min(0)]),
});

/** The header's length in 8 bytes, the header as JSON, then the data that its offsets count from. */
function readHeader(source: Source): { entries: Record<string, unknown>; dataFrom: number } {
  if (source.size < 8) throw invalid(source.name, "is not a safetensors file: it is too short");
  const length = Number(read(source, 0, 8).readBigUInt64LE());
  if (length > Math.min(headerBytesMax, source.size - 8)) {
    throw invalid(source.name, "is not a safetensors file: its header is too long");
  }
  const entries = parse(source, read(source, 8, length).toString("utf8"));
  return { entries, dataFrom: 8 + length };
}

function parse(source: Source, header: string): Record<string, unknown> {
  try {
    const parsed: unknown = JSON.parse(header);
    if (typeof parsed === "object" && parsed !== null) return parsed as Record<string, unknown>;
  } catch {
    // Refused like any other header that is no object.
  }
  throw invalid(source.name, "is not a safetensors file: its header is not a JSON object");
}

function readTensor(source: Source, dataFrom: number, key: string, entry: unknown): SafeTensor {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) throw invalid(source.name, `${key}: ${problemsOf(parsed.error)}`);
  const { dtype, shape, data_offsets } = parsed.data;
  const [begin, end] = data_offsets;
  const bytes = shape.reduce((product, size) => product * size, element[dtype].bytes);
  if (end > source.size - dataFrom) throw invalid(source.name, `${key} ends after the file`);
  if (end - begin !== bytes) throw invalid(source.name, `${key} is not as long as its shape says`);
  if (bytes > tensorBytesMax) throw invalid(source.name, `${key} is over ${tensorBytesMax} bytes`);
  return { shape, values: element[dtype].decode(read(source, dataFrom + begin, bytes)) };
}

function read({ fd, name }: Source, position: number, length: number): Buffer {
  const data = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const count = readSync(fd, data, done, length - done, position + done);
    if (count === 0) throw invalid(name, "was cut while it was read");
    done += count;
  }
  return data;
}

function floatsOf(data: Buffer): Float32Array {
  return Float32Array.from({ length: data.length / 4 }, (_, i) => data.readFloatLE(4 * i));
}

/** Wide enough to hold what the halves decode to. */
function halvesOf(data: Buffer): Float32Array {
  return Float32Array.from({ length: data.length / 2 }, (_, i) => data.readUInt16LE(2 * i));
}

/** IEEE 754 half precision: 1 bit of sign, 5 of exponent, 10 of fraction. */
function fromHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1_024 + fraction) * 2 ** (exponent - 25);
}

const wide = new DataView(new ArrayBuffer(4));

/** bfloat16: the upper half of a float32. */
function fromBrain(bits: number): number {
  wide.setUint32(0, bits * 65_536);
  return wide.getFloat32(0);
}
