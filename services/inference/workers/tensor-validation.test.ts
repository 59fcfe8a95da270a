import { deepEqual, doesNotThrow, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../../lib/errors.js";
import { type Datatype, elementBytes } from "../../../lib/tensor.js";
import { seeded } from "../../../test/support/random.js";
import type { NamedTensor, TensorMetadata } from "../models/served-model.js";
import { validateTensors } from "./tensor-validation.js";

const model = {
  inputs: [
    { name: "ids", datatype: "INT64", shape: [-1, 2] },
    { name: "words", datatype: "BYTES", shape: [-1] },
  ],
  outputs: [
    { name: "scores", datatype: "FP32", shape: [-1] },
    { name: "more", datatype: "FP32", shape: [-1] },
  ],
} as const;

/** Elements behind their lengths. */
function bytesOf(...elements: readonly (string | Uint8Array)[]): Uint8Array {
  return Buffer.concat(
    elements.flatMap((element) => {
      const content = Buffer.from(element);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(content.length);
      return [length, content];
    }),
  );
}

function idsTensor(over: Partial<NamedTensor> = {}): NamedTensor {
  return { name: "ids", datatype: "INT64", shape: [1, 2], bytes: new Uint8Array(16), ...over };
}

function wordsTensor(over: Partial<NamedTensor> = {}): NamedTensor {
  return { name: "words", datatype: "BYTES", shape: [2], bytes: bytesOf("a", "ä"), ...over };
}

function isRefused(message: string | RegExp) {
  return (error: unknown): boolean => {
    ok(error instanceof MeshError);
    equal(error.fault, "invalid");
    if (typeof message === "string") equal(error.message, message);
    else ok(message.test(error.message), error.message);
    return true;
  };
}

for (const [what, inputs, outputNames] of [
  ["every input, in any order", [wordsTensor(), idsTensor()], []],
  ["some outputs by name", [idsTensor(), wordsTensor()], ["more"]],
  ["an output that is named twice", [idsTensor(), wordsTensor()], ["more", "more"]],
  [
    "any size where the model has none",
    [idsTensor({ shape: [3, 2], bytes: new Uint8Array(48) }), wordsTensor()],
    [],
  ],
  ["empty elements", [idsTensor(), wordsTensor({ bytes: bytesOf("", "") })], []],
  [
    "an element with a mark of its byte order",
    [idsTensor(), wordsTensor({ bytes: bytesOf("\ufeffa", "b") })],
    [],
  ],
  [
    "bytes out of the middle of others",
    [
      idsTensor({ bytes: new Uint8Array(99).subarray(3, 19) }),
      wordsTensor({ bytes: new Uint8Array([9, ...bytesOf("a", "b")]).subarray(1) }),
    ],
    [],
  ],
] as const satisfies readonly (readonly [string, readonly NamedTensor[], readonly string[]])[]) {
  test(`${what}: fine`, () => {
    doesNotThrow(() => validateTensors(inputs, outputNames, model));
  });
}

for (const [what, inputs, message] of [
  ["no input", [], "input 'ids' is missing"],
  ["an input that is missing", [idsTensor()], "input 'words' is missing"],
  ["an input twice", [idsTensor(), idsTensor()], "input 'ids' is given twice"],
  ["an unknown input", [idsTensor({ name: "x" })], "unexpected input 'x'"],
  [
    "another type",
    [idsTensor({ datatype: "INT32" })],
    "input 'ids' has type INT32, the model expects INT64",
  ],
  [
    "too few axes",
    [idsTensor({ shape: [2] })],
    "input 'ids' has shape [2], the model expects [-1,2]",
  ],
  [
    "too many axes",
    [idsTensor({ shape: [1, 2, 1] })],
    "input 'ids' has shape [1,2,1], the model expects [-1,2]",
  ],
  [
    "another size",
    [idsTensor({ shape: [1, 3] })],
    "input 'ids' has shape [1,3], the model expects [-1,2]",
  ],
  ["no element at all", [idsTensor({ shape: [0, 2], bytes: new Uint8Array(0) })], /at least 1/],
  ["a negative size", [idsTensor({ shape: [-1, 2] })], /at least 1/],
  ["half a size", [idsTensor({ shape: [0.5, 2], bytes: new Uint8Array(8) })], /at least 1/],
  ["a size that is no number", [idsTensor({ shape: [Number.NaN, 2] })], /at least 1/],
  ["an endless size", [idsTensor({ shape: [Number.POSITIVE_INFINITY, 2] })], /at least 1/],
  [
    "too few bytes",
    [idsTensor({ bytes: new Uint8Array(15) })],
    "input 'ids' has 15 bytes, its shape takes 16",
  ],
  [
    "too many bytes",
    [idsTensor({ bytes: new Uint8Array(17) })],
    "input 'ids' has 17 bytes, its shape takes 16",
  ],
  [
    "no bytes where elements are",
    [wordsTensor({ bytes: new Uint8Array(0) })],
    "input 'words' ends within element 0",
  ],
  [
    "fewer elements than the shape says",
    [wordsTensor({ bytes: bytesOf("a") })],
    "input 'words' ends within element 1",
  ],
  [
    "more elements than the shape says",
    [wordsTensor({ bytes: bytesOf("a", "b", "c") })],
    "input 'words' has more bytes than its shape takes",
  ],
  [
    "half a length",
    [wordsTensor({ bytes: bytesOf("a", "b").subarray(0, 8) })],
    "input 'words' ends within element 1",
  ],
  [
    "a length past the end",
    [wordsTensor({ bytes: bytesOf("a", "bc").subarray(0, 10) })],
    "input 'words' ends within element 1",
  ],
  [
    "the greatest length there is",
    [wordsTensor({ bytes: new Uint8Array(8).fill(255) })],
    "input 'words' ends within element 0",
  ],
  [
    "a huge shape over few bytes",
    [wordsTensor({ shape: [Number.MAX_SAFE_INTEGER] })],
    "input 'words' ends within element 2",
  ],
  [
    "an element that is not UTF-8",
    [wordsTensor({ bytes: bytesOf("a", Uint8Array.of(0xc3)) })],
    "element 1 of input 'words' is not UTF-8",
  ],
  [
    "an element with half of a pair",
    [wordsTensor({ bytes: bytesOf(Uint8Array.of(0xed, 0xa0, 0x80), "b") })],
    "element 0 of input 'words' is not UTF-8",
  ],
] as const satisfies readonly (readonly [string, readonly NamedTensor[], string | RegExp])[]) {
  test(`${what}: refused`, () => {
    throws(() => validateTensors(inputs, [], model), isRefused(message));
  });
}

test("an output that the model does not have: refused", () => {
  const inputs = [idsTensor(), wordsTensor()];
  throws(() => validateTensors(inputs, ["scores", "x"], model), isRefused("unexpected output 'x'"));
});

test("every type takes as many bytes as its elements", () => {
  for (const [datatype, size] of Object.entries(elementBytes) as [Datatype, number][]) {
    if (datatype === "BYTES") continue;
    const wanted: TensorMetadata = { name: "x", datatype, shape: [2, -1] };
    const check = (length: number) => () =>
      validateTensors([{ name: "x", datatype, shape: [2, 3], bytes: new Uint8Array(length) }], [], {
        inputs: [wanted],
        outputs: [],
      });
    doesNotThrow(check(6 * size));
    throws(check(6 * size - 1), isRefused(/bytes/));
  }
});

test("bytes cut or changed anywhere are refused, or read as what they say", (t) => {
  const random = seeded(t);
  const inputs = [{ name: "x", datatype: "BYTES", shape: [-1] }] as const;
  let refused = 0;
  for (let round = 0; round < 3_000; round += 1) {
    const words = Array.from({ length: 1 + random.int(4) }, () =>
      random.pick(["", "a", "über", "東京", "🙂".repeat(random.int(5))]),
    );
    const bytes = bytesOf(...words);
    if (random.int(2) === 0) bytes[random.int(bytes.length)] = random.int(256);
    const cut = random.int(3) === 0 ? bytes.subarray(0, random.int(bytes.length)) : bytes;
    const tensor: NamedTensor = { name: "x", datatype: "BYTES", shape: [words.length], bytes: cut };
    const elements = readBytes(cut);
    if (elements?.length === words.length) {
      validateTensors([tensor], [], { inputs, outputs: [] });
    } else {
      refused += 1;
      throws(() => validateTensors([tensor], [], { inputs, outputs: [] }), isRefused(/'x'/));
    }
  }
  ok(refused > 500);
  deepEqual(readBytes(bytesOf("a", "ä")), ["a", "ä"]);
});

/** The same by the book; undefined when it is not elements to the end, each UTF-8. */
function readBytes(bytes: Uint8Array): string[] | undefined {
  const buffer = Buffer.from(bytes);
  const elements: string[] = [];
  for (let at = 0; at < buffer.length; ) {
    if (at + 4 > buffer.length) return undefined;
    const end = at + 4 + buffer.readUInt32LE(at);
    if (end > buffer.length) return undefined;
    const text = buffer.toString("utf8", at + 4, end);
    if (!Buffer.from(text).equals(buffer.subarray(at + 4, end))) return undefined;
    elements.push(text);
    at = end;
  }
  return elements;
}
