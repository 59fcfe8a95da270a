// What each kind of model makes of token ids, with tiny models whose numbers are known.

import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { openModel, rowOf, valuesOf } from "../../../test/support/inference.js";
import { onnxBytes } from "../../../test/support/onnx-builder.js";
import { seeded } from "../../../test/support/random.js";
import {
  classifierBias,
  classifierWeights,
  embedding,
  tokenVector,
} from "../../../test/support/tiny-graphs.js";
import {
  denseBias,
  denseWeights,
  headWeights,
  temporaryFolder,
  write,
  writeClassifier,
  writeCrossEncoder,
  writeEmbedding,
  writeSplade,
} from "../../../test/support/tiny-models.js";
import type { Row, RowOutput } from "../batching/batch.js";

/** Of different lengths, so that most are padded when they share a batch. */
const sequences = [[101, 7, 102], [5], [9, 8, 7, 6, 5, 4, 3, 2], [30_521, 0], [1, 1, 1, 1]];

function close(actual: ArrayLike<number> | undefined, expected: readonly number[]): void {
  const values = Array.from(actual ?? []);
  equal(values.length, expected.length);
  for (const [i, value] of values.entries()) {
    ok(Math.abs(value - (expected[i] as number)) < 1e-5, `${values} instead of ${expected}`);
  }
}

type Vector = readonly number[];

const columns = (ids: Vector): Vector[] =>
  [0, 1, 2, 3].map((i) => ids.map((id) => tokenVector(id)[i] as number));
const sum = (values: Vector): number => values.reduce((a, b) => a + b, 0);
const mean = (ids: Vector): Vector => columns(ids).map((column) => sum(column) / ids.length);
const unit = (vector: Vector): Vector => vector.map((x) => x / Math.hypot(...vector));

/** `weights` of shape [outputs, inputs] times a vector. */
function multiply(weights: Vector, vector: Vector): Vector {
  const outputs = weights.length / vector.length;
  return Array.from({ length: outputs }, (_, output) =>
    sum(vector.map((x, i) => x * (weights[output * vector.length + i] as number))),
  );
}

for (const [pooling, pool] of [
  ["mean", mean],
  ["cls", (ids: Vector) => tokenVector(ids[0] as number)],
  ["max", (ids: Vector) => columns(ids).map((column) => Math.max(...column))],
  ["lasttoken", (ids: Vector) => tokenVector(ids.at(-1) as number)],
] as const) {
  test(`token vectors become one by ${pooling}, whatever the padding`, async (t) => {
    const folder = temporaryFolder(t);
    writeEmbedding(folder, { pooling });
    const model = await openModel(t, folder, { INFERENCE_BATCH_OVERHEAD_TOKENS: "1000" });
    const rows = sequences.flatMap((ids) => [rowOf(ids), rowOf(ids, "unit_vector")]);
    const vectors = await valuesOf(model, rows);
    for (const [i, ids] of sequences.entries()) {
      close(vectors[2 * i], pool(ids));
      close(vectors[2 * i + 1], unit(pool(ids)));
    }
  });
}

for (const [activation, activate] of [
  ["Identity", (x: number) => x],
  ["Tanh", Math.tanh],
  ["ReLU", (x: number) => Math.max(0, x)],
  ["Sigmoid", (x: number) => 1 / (1 + Math.exp(-x))],
] as const) {
  test(`a Dense layer with ${activation} follows pooling`, async (t) => {
    const folder = temporaryFolder(t);
    writeEmbedding(folder, { dense: { activation } });
    const model = await openModel(t, folder);
    const [vector, unitVector] = await valuesOf(model, [
      rowOf([5, 6]),
      rowOf([5, 6], "unit_vector"),
    ]);
    const expected = multiply(denseWeights, mean([5, 6])).map((x, i) =>
      activate(x + (denseBias[i] as number)),
    );
    close(vector, expected);
    close(unitVector, unit(expected));
  });
}

test("a Dense layer needs no bias", async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { dense: { activation: "Identity", hasBias: false } });
  const [vector] = await valuesOf(await openModel(t, folder), [rowOf([5, 6])]);
  close(vector, multiply(denseWeights, mean([5, 6])));
});

test("token vectors come without padding", async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { dense: { activation: "Tanh" } });
  const model = await openModel(t, folder);
  const vectors = await valuesOf(
    model,
    sequences.map((ids) => rowOf(ids, "token_vectors")),
  );
  for (const [i, ids] of sequences.entries())
    close(
      vectors[i],
      ids.flatMap((id) => tokenVector(id)),
    );
});

for (const [what, dense, width] of [
  ["the vector", undefined, 4],
  ["the vector that Dense made", { activation: "Tanh" }, 3],
] as const) {
  test(`heads score ${what}, each with its own file`, async (t) => {
    const folder = temporaryFolder(t);
    writeEmbedding(folder, { heads: ["a", "b"], ...(dense && { dense }) });
    const model = await openModel(t, folder);
    const rows = sequences.flatMap((ids) => [
      rowOf(ids, { head: 0 }),
      rowOf(ids, "unit_vector"),
      rowOf(ids, { head: 1 }),
    ]);
    const values = await valuesOf(model, rows);
    const weights = [headWeights.slice(0, width), headWeights.slice(4, 4 + width)].flat();
    for (const i of sequences.keys()) {
      const [first, vector = [], second] = values.slice(3 * i, 3 * i + 3);
      const expected = multiply(weights, [...vector]);
      close(first, expected);
      close(second, expected);
    }
  });
}

test("outputs of every kind share batches and do not mix", async (t) => {
  const random = seeded(t);
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { heads: ["mood"] });
  const model = await openModel(t, folder, { INFERENCE_BATCH_OVERHEAD_TOKENS: "1000" });
  const outputs: RowOutput[] = ["vector", "unit_vector", "token_vectors", { head: 0 }];
  const rows = Array.from({ length: 400 }, (): Row => {
    const ids = Array.from({ length: 1 + random.int(12) }, () => random.int(30_522));
    return rowOf(ids, random.pick(outputs));
  });
  const values = await valuesOf(model, rows);
  for (const [i, { ids, output }] of rows.entries()) {
    // Where vectors cancel each other out, rounding decides the direction.
    if (Math.hypot(...mean(ids)) < 0.01) continue;
    if (output === "vector") close(values[i], mean(ids));
    else if (output === "unit_vector") close(values[i], unit(mean(ids)));
    else if (output === "token_vectors")
      close(
        values[i],
        ids.flatMap((id) => tokenVector(id)),
      );
    else close(values[i], multiply(headWeights, unit(mean(ids))));
  }
  ok(model.statistics.executionCount < 200);
});

test("a file that pools by itself is believed, except for what it does not give", async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder);
  const graph = embedding(0);
  // The greatest token vector, though the folder says mean.
  const pooling = {
    op: "ReduceMax",
    inputs: ["last_hidden_state"],
    outputs: ["sentence_embedding"],
    attributes: { axes: { ints: [1] }, keepdims: { int: 0 } },
  };
  const output = { name: "sentence_embedding", type: "float32", shape: ["batch", 4] } as const;
  write(folder, {
    "onnx/model.onnx": onnxBytes({
      ...graph,
      nodes: [...graph.nodes, pooling],
      outputs: [...graph.outputs, output],
    }),
  });
  const model = await openModel(t, folder);
  // One batch, which takes both outputs, and two that take one.
  const greatest = columns([5, 6, 7]).map((column) => Math.max(...column));
  const [alone] = await valuesOf(model, [rowOf([5, 6, 7], "unit_vector")]);
  close(alone, unit(greatest));
  const [raw] = await valuesOf(model, [rowOf([5, 6, 7])]);
  close(raw, mean([5, 6, 7]));
});

test("numbers of 16 bits are read as what they mean", async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder);
  const { initializers = [], ...graph } = embedding(0);
  const name = "last_hidden_state";
  write(folder, {
    "onnx/model_fp16.onnx": onnxBytes({
      ...graph,
      initializers,
      nodes: [
        { op: "Gather", inputs: ["table", "input_ids"], outputs: ["hidden"] },
        { op: "Cast", inputs: ["hidden"], outputs: [name], attributes: { to: { int: 10 } } },
      ],
      outputs: [{ name, type: "float16", shape: ["batch", "sequence", 4] }],
    }),
  });
  const model = await openModel(t, folder, { DTYPE: "fp16" });
  equal(model.dtype, "float16");
  const [vector] = await valuesOf(model, [rowOf([5, 6])]);
  for (const [i, value] of mean([5, 6]).entries()) {
    const actual = vector?.[i] as number;
    ok(Math.abs(actual - value) < 5e-4, `${actual} instead of ${value}`);
    ok(actual !== Math.fround(value), "not rounded to 16 bits");
  }
});

test("a classifier gives the logits of its labels", async (t) => {
  const folder = temporaryFolder(t);
  writeClassifier(folder);
  const model = await openModel(t, folder, { INFERENCE_BATCH_OVERHEAD_TOKENS: "1000" });
  const logits = await valuesOf(
    model,
    sequences.map((ids) => rowOf(ids, "logits")),
  );
  // Its weights have shape [inputs, labels].
  const weights = [0, 1, 2].flatMap((label) =>
    [0, 1, 2, 3].map((i) => classifierWeights[3 * i + label] as number),
  );
  for (const [i, ids] of sequences.entries()) {
    const expected = multiply(weights, mean(ids)).map((x, label) => {
      return x + (classifierBias[label] as number);
    });
    close(logits[i], expected);
  }
});

test("a cross-encoder tells both texts of a pair apart", async (t) => {
  const folder = temporaryFolder(t);
  writeCrossEncoder(folder);
  const model = await openModel(t, folder, { INFERENCE_BATCH_OVERHEAD_TOKENS: "1000" });
  const scores = await valuesOf(model, [
    { ids: [5, 6, 7], typeIds: [0, 0, 1], output: "logits" },
    { ids: [5, 6, 7, 8, 9], typeIds: [0, 1, 1, 1, 1], output: "logits" },
    rowOf([5, 6, 7], "logits"),
  ]);
  const total = (ids: Vector): Vector => columns(ids).map(sum);
  close(scores[0], multiply(total([5, 6]), total([7])));
  close(scores[1], multiply(total([5]), total([6, 7, 8, 9])));
  close(scores[2], [0]);
});

test("a masked language model becomes pairs of ids and weights", async (t) => {
  const folder = temporaryFolder(t);
  writeSplade(folder);
  const model = await openModel(t, folder, { INFERENCE_BATCH_OVERHEAD_TOKENS: "1000" });
  const rows = await valuesOf(model, [
    rowOf([2, 9, 5, 3], "sparse"),
    rowOf([2, 3], "sparse"),
    rowOf([2, 20, 3], "sparse"),
  ]);
  const pairs = rows.map((numbers) => {
    const ids = new Uint32Array(numbers.buffer, numbers.byteOffset, numbers.length);
    return Array.from({ length: numbers.length / 2 }, (_, i) => {
      return [ids[2 * i], Math.exp(numbers[2 * i + 1] as number) - 1].map((x) => {
        return Math.round((x as number) * 1e5) / 1e5;
      });
    });
  });
  // Each word has logit 2 for itself and 1 for the next one; special tokens have none.
  deepEqual(pairs, [
    [
      [5, 2],
      [6, 1],
      [9, 2],
      [10, 1],
    ],
    [],
    [[20, 2]],
  ]);
});

test("the folder of a model may have several kinds of weights", async (t) => {
  const root = temporaryFolder(t);
  writeEmbedding(root);
  write(root, { "onnx/model_int8.onnx": onnxBytes(embedding(1)) });
  for (const [dtype, chosen] of [
    ["auto", "int8"],
    ["int8", "int8"],
    ["fp32", "float32"],
  ] as const) {
    const model = await openModel(t, root, { DTYPE: dtype });
    equal(model.dtype, chosen);
    const [vector] = await valuesOf(model, [rowOf([5])]);
    close(vector, tokenVector(5, chosen === "int8" ? 1 : 0));
  }
});
