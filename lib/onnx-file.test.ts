import { deepEqual, ok, throws } from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { floats, type OnnxTensor, onnxBytes } from "../test/support/onnx-builder.js";
import { seeded } from "../test/support/random.js";
import { identity } from "../test/support/tiny-graphs.js";
import { temporaryFolder } from "../test/support/tiny-models.js";
import { MeshError } from "./errors.js";
import { externalDataOf } from "./onnx-file.js";

function scan(t: TestContext, bytes: Uint8Array): string[] {
  const file = join(temporaryFolder(t), "model.onnx");
  writeFileSync(file, bytes);
  return externalDataOf(file).sort();
}

function external(location: string): OnnxTensor {
  return { name: location, type: "float32", shape: [4], data: { location, offset: 0, length: 16 } };
}

/** A message of these fields; bytes, text and messages alike. */
function message(...fields: readonly (readonly [number, Uint8Array | string])[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [field, value] of fields) {
    const bytes = typeof value === "string" ? new TextEncoder().encode(value) : value;
    writer.tag(field, WireType.LengthDelimited).bytes(bytes);
  }
  return writer.finish();
}

const entry = (location: string) => message([1, "location"], [2, location]);
const refused = (what: RegExp) => (error: unknown) =>
  error instanceof MeshError && error.fault === "invalid" && what.test(error.message);

test("a model without external data names none, however large its weights", (t) => {
  const weights = floats("weights", [100_000], new Float32Array(100_000));
  deepEqual(scan(t, onnxBytes({ ...identity, initializers: [weights] })), []);
});

test("each file of external data is named once", (t) => {
  const initializers = [external("a.bin"), external("b/c.bin"), external("a.bin")];
  deepEqual(scan(t, onnxBytes({ ...identity, initializers })), ["a.bin", "b/c.bin"]);
});

test("data of a constant in a node counts", (t) => {
  const attributes = { value: { tensor: external("constant.bin") } };
  const constant = { op: "Constant", inputs: [], outputs: ["x"], attributes };
  deepEqual(scan(t, onnxBytes({ ...identity, nodes: [constant] })), ["constant.bin"]);
});

test("so does data wherever else ONNX has tensors", (t) => {
  const tensor = (name: string) => message([13, entry(name)]);
  const node = (attribute: number, inner: Uint8Array) => message([5, message([attribute, inner])]);
  const graph = message(
    [15, message([1, tensor("sparse values")], [2, tensor("sparse indices")])],
    [1, node(6, message([5, tensor("subgraph")]))],
    [1, node(11, message([5, tensor("subgraphs")]))],
    [1, node(10, tensor("tensors"))],
    [1, node(22, message([1, tensor("sparse attribute")]))],
    [1, node(23, message([2, tensor("sparse attributes")]))],
  );
  const model = message(
    [7, graph],
    [20, message([1, message([5, tensor("training")])])],
    [25, message([7, node(5, tensor("function"))], [11, message([5, tensor("default")])])],
  );
  deepEqual(scan(t, model), [
    "default",
    "function",
    "sparse attribute",
    "sparse attributes",
    "sparse indices",
    "sparse values",
    "subgraph",
    "subgraphs",
    "tensors",
    "training",
  ]);
});

test("fields in any order, and fields that are there twice, hide nothing", (t) => {
  const inOrder = message([2, "value first"], [1, "location"]);
  const twice = message([1, "location"], [2, "a"], [2, "b"], [1, "offset"]);
  const tensors = message([5, message([13, inOrder])], [5, message([13, twice])]);
  deepEqual(scan(t, message([7, tensors])), ["a", "b", "value first"]);
});

test("a location that is no path is refused, but not the same bytes elsewhere", (t) => {
  const long = "x".repeat(5_000);
  const model = (key: string, value: string | Uint8Array) =>
    message([7, message([5, message([13, message([1, key], [2, value])])])]);
  throws(() => scan(t, model("location", long)), refused(/^model\.onnx: names external data/));
  throws(() => scan(t, model("location", Uint8Array.of(255))), refused(/names external data/));
  deepEqual(scan(t, model("checksum", long)), []);
});

test("more files than any model has are refused", (t) => {
  const tensors = Array.from({ length: 16_385 }, (_, i): readonly [number, Uint8Array] => {
    return [5, message([13, entry(`${i}`)])];
  });
  throws(() => scan(t, message([7, message(...tensors)])), refused(/more than 16384 files/));
});

test("graphs in graphs in graphs have an end", (t) => {
  let graph = message([2, "innermost"]);
  for (let depth = 0; depth < 50; depth += 1)
    graph = message([1, message([5, message([6, graph])])]);
  throws(() => scan(t, message([7, graph])), refused(/nested too deep/));
});

test("what is no ONNX model is refused", (t) => {
  const cases: readonly (readonly [string, Uint8Array])[] = [
    ["empty", new Uint8Array(0)],
    ["no graph", message([2, "producer"])],
    ["text", new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\n")],
    ["a group", Uint8Array.of(0x3b, 0x3c)],
    ["field 0", Uint8Array.of(0x02, 0x00)],
    ["an endless number", new Uint8Array(20).fill(0xff)],
    ["a length beyond the file", Uint8Array.of(0x3a, 0x7f, 0x00)],
    ["a fixed number beyond the file", Uint8Array.of(0x0d, 0x00)],
  ];
  for (const [name, bytes] of cases) {
    throws(() => scan(t, bytes), refused(/^model\.onnx: is not an ONNX model/), name);
  }
});

test("a file that does not exist is refused like any other", () => {
  throws(() => externalDataOf("/nowhere/model.onnx"), refused(/^model\.onnx: cannot be read/));
});

test("a cut or changed file is read or refused, and either at once", (t) => {
  const random = seeded(t);
  const file = join(temporaryFolder(t), "model.onnx");
  const whole = onnxBytes({
    ...identity,
    nodes: [
      {
        op: "Constant",
        inputs: [],
        outputs: ["x"],
        attributes: { value: { tensor: external("b.bin") }, axes: { ints: [1, -1] } },
      },
    ],
    initializers: [external("a.bin"), floats("weights", [8], new Float32Array(8))],
  });
  for (let round = 0; round < 500; round += 1) {
    const bytes = whole.slice(0, random.int(3) === 0 ? random.int(whole.length) : whole.length);
    for (let change = random.int(4); change > 0; change -= 1) {
      bytes[random.int(bytes.length)] = random.int(256);
    }
    writeFileSync(file, bytes);
    try {
      ok(externalDataOf(file).length <= 4);
    } catch (error) {
      ok(error instanceof MeshError && error.fault === "invalid", `${error}`);
    }
  }
});
