import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { MeshError } from "../../../lib/errors.js";
import {
  float32Tensor,
  openModel,
  rowOf,
  valuesOf,
  workOptions,
} from "../../../test/support/inference.js";
import { onnxBytes } from "../../../test/support/onnx-builder.js";
import { identity, tokenVector } from "../../../test/support/tiny-graphs.js";
import * as tiny from "../../../test/support/tiny-models.js";
import type { NamedTensor } from "../models/served-model.js";

const { temporaryFolder, write, writeEmbedding } = tiny;

function int32Tensor(name: string, values: readonly number[]): NamedTensor {
  const bytes = new Uint8Array(Int32Array.from(values).buffer);
  return { name, datatype: "INT32", shape: [1, values.length], bytes };
}

async function openTensors(t: TestContext, writeModel: (folder: string) => void) {
  const folder = temporaryFolder(t);
  writeModel(folder);
  const model = await openModel(t, folder);
  const run = async (inputs: readonly NamedTensor[], outputNames: readonly string[] = []) =>
    await model.runTensors(inputs, outputNames, workOptions());
  return { model, run };
}

test("tensors go in by name and come out in the order of the model, or as asked for", async (t) => {
  const { model, run } = await openTensors(t, tiny.writeSimple);
  const one = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, -15];
  const two = new Array<number>(16).fill(3);
  const inputs = [int32Tensor("INPUT1", two), int32Tensor("INPUT0", one)];
  const sum = int32Tensor(
    "OUTPUT0",
    one.map((x) => x + 3),
  );
  const difference = int32Tensor(
    "OUTPUT1",
    one.map((x) => x - 3),
  );
  deepEqual(await run(inputs), [sum, difference]);
  deepEqual(await run(inputs, ["OUTPUT1"]), [difference]);
  deepEqual(await run(inputs, ["OUTPUT1", "OUTPUT0"]), [difference, sum]);
  const metadata = (name: string) => ({ name, datatype: "INT32", shape: [1, 16] });
  deepEqual(model.inputs, ["INPUT0", "INPUT1"].map(metadata));
  deepEqual(model.outputs, ["OUTPUT0", "OUTPUT1"].map(metadata));
});

test("strings of any length go through", async (t) => {
  const { model, run } = await openTensors(t, tiny.writeSimpleString);
  const texts = Array.from({ length: 16 }, (_, i) => "ä東🙂".repeat(i) + "x".repeat(i % 3));
  const bytes = Buffer.concat(
    texts.flatMap((text) => {
      const content = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(content.length);
      return [length, content];
    }),
  );
  const tensor = { datatype: "BYTES", shape: [1, 16], bytes: new Uint8Array(bytes) } as const;
  deepEqual(await run([{ name: "INPUT0", ...tensor }]), [{ name: "OUTPUT0", ...tensor }]);
  deepEqual(model.inputs, [{ name: "INPUT0", datatype: "BYTES", shape: [1, 16] }]);
});

test("sizes that the model leaves open are -1, and any size goes", async (t) => {
  const { model, run } = await openTensors(t, tiny.writeExternal);
  deepEqual(model.inputs, [{ name: "INPUT0", datatype: "FP32", shape: [-1, 4] }]);
  for (const rows of [1, 2, 50]) {
    const zeros = new Array<number>(4 * rows).fill(0);
    const [output] = await run([float32Tensor("INPUT0", [rows, 4], zeros)]);
    const expected = Array.from({ length: 4 * rows }, (_, i) => 1 + (i % 4));
    deepEqual(output, float32Tensor("OUTPUT0", [rows, 4], expected));
  }
});

test("bytes out of the middle of a message, at any place, are read as they are", async (t) => {
  const { run } = await openTensors(t, tiny.writeIdentity);
  const tensor = float32Tensor("INPUT0", [1, 4], [1, 2, 3, 4]);
  const message = new Uint8Array(99);
  message.set(tensor.bytes, 3);
  const [output] = await run([{ ...tensor, bytes: message.subarray(3, 19) }]);
  deepEqual(output?.bytes, tensor.bytes);
});

test("an output that is no tensor is not there", async (t) => {
  const { model, run } = await openTensors(t, (folder) =>
    write(folder, {
      "model.onnx": onnxBytes({
        ...identity,
        outputs: [
          { name: "list", type: "float32", shape: ["batch", 4], isSequence: true },
          ...identity.outputs,
        ],
        nodes: [
          ...identity.nodes,
          { op: "SequenceConstruct", inputs: ["INPUT0"], outputs: ["list"] },
        ],
      }),
    }),
  );
  deepEqual(
    model.outputs.map(({ name }) => name),
    ["OUTPUT0"],
  );
  const input = float32Tensor("INPUT0", [1, 4], [1, 2, 3, 4]);
  deepEqual(await run([input]), [{ ...input, name: "OUTPUT0" }]);
  await rejects(run([input], ["list"]), { fault: "invalid" });
});

test("tensors that do not fit never reach a worker", async (t) => {
  const { model, run } = await openTensors(t, tiny.writeIdentity);
  await rejects(run([float32Tensor("INPUT0", [1, 3], [1, 2, 3])]), { fault: "invalid" });
  await rejects(run([]), { fault: "invalid" });
  deepEqual([model.statistics.executionCount, model.statistics.failure.count], [0, 0]);
});

test("a model of texts runs tensors too, beside its sequences", async (t) => {
  const { model, run } = await openTensors(t, writeEmbedding);
  const int64 = (name: string, values: readonly number[]): NamedTensor => ({
    name,
    datatype: "INT64",
    shape: [1, values.length],
    bytes: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
  });
  const [[output], [vector]] = await Promise.all([
    run([int64("input_ids", [5, 6]), int64("attention_mask", [1, 1])]),
    valuesOf(model, [rowOf([7])]),
  ]);
  const expected = [5, 6].flatMap((id) => tokenVector(id));
  deepEqual(output, float32Tensor("last_hidden_state", [1, 2, 4], expected));
  deepEqual(vector, Float32Array.from(tokenVector(7)));
});

test("what fails inside the model is internal, without its words", async (t) => {
  const { model, run } = await openTensors(t, writeEmbedding);
  const bytes = new Uint8Array(BigInt64Array.of(99_999_999n).buffer);
  const input = { datatype: "INT64", shape: [1, 1], bytes } as const;
  const inputs = [
    { name: "input_ids", ...input },
    { name: "attention_mask", ...input },
  ];
  await rejects(run(inputs), (error) => {
    ok(error instanceof MeshError);
    deepEqual([error.fault, error.message], ["internal", "the model failed"]);
    match(String(error.cause), /out of data bounds|indices/);
    return true;
  });
  equal((await valuesOf(model, [rowOf([7])])).length, 1);
});
