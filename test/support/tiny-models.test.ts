import { deepEqual, equal, notDeepEqual, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { Tokenizer } from "tokenizers";
import { classifierBias, classifierWeights, tokenVector } from "./tiny-graphs.js";
import { headWeights, temporaryFolder, writeEmbedding, writeTinyModels } from "./tiny-models.js";

/** Opens a file of a repository of all tiny models. */
function repository(t: TestContext): (file: string) => Promise<InferenceSession> {
  const root = temporaryFolder(t);
  writeTinyModels(root);
  return (file) => InferenceSession.create(join(root, file));
}

function int64(rows: readonly (readonly number[])[]): Tensor {
  const data = BigInt64Array.from(rows.flat().map(BigInt));
  return new Tensor("int64", data, [rows.length, rows[0]?.length ?? 0]);
}

function close(actual: unknown, expected: readonly number[]): void {
  const values = [...(actual as Float32Array)];
  equal(values.length, expected.length);
  values.forEach((value, i) => {
    const difference = Math.abs(value - (expected[i] as number));
    ok(difference < 1e-5, `${values} instead of ${expected}`);
  });
}

test("simple adds and subtracts", async (t) => {
  const session = await repository(t)("simple/1/model.onnx");
  const INPUT0 = new Tensor(
    "int32",
    Int32Array.from({ length: 16 }, (_, i) => i),
    [1, 16],
  );
  const INPUT1 = new Tensor("int32", new Int32Array(16).fill(3), [1, 16]);
  const { OUTPUT0, OUTPUT1 } = await session.run({ INPUT0, INPUT1 });
  deepEqual(
    OUTPUT0?.data,
    Int32Array.from({ length: 16 }, (_, i) => i + 3),
  );
  deepEqual(
    OUTPUT1?.data,
    Int32Array.from({ length: 16 }, (_, i) => i - 3),
  );
});

test("simple_string gives strings back", async (t) => {
  const session = await repository(t)("simple_string/1/model.onnx");
  const texts = Array.from({ length: 16 }, (_, i) => `text ${i} ä`);
  const { OUTPUT0 } = await session.run({ INPUT0: new Tensor("string", texts, [1, 16]) });
  deepEqual(OUTPUT0?.data, texts);
});

test("identity and external data take any batch", async (t) => {
  const open = repository(t);
  const INPUT0 = new Tensor("float32", Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8), [2, 4]);
  const copied = await (await open("identity/1/model.onnx")).run({ INPUT0 });
  deepEqual(copied.OUTPUT0?.data, INPUT0.data);
  const added = await (await open("external/1/model.onnx")).run({ INPUT0 });
  deepEqual(added.OUTPUT0?.data, Float32Array.of(2, 4, 6, 8, 6, 8, 10, 12));
});

test("broken does not load", async (t) => {
  await rejects(repository(t)("broken/1/model.onnx"));
});

test("embedding gives each token its vector", async (t) => {
  const session = await repository(t)("embedding/onnx/model.onnx");
  const rows = [
    [101, 2_003, 102],
    [101, 102, 0],
  ];
  const output = await session.run({ input_ids: int64(rows), attention_mask: int64(rows) });
  deepEqual(output.last_hidden_state?.dims, [2, 3, 4]);
  close(
    output.last_hidden_state?.data,
    rows.flat().flatMap((id) => tokenVector(id)),
  );
});

test("a shift moves the vectors, and a head reads them", async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { shift: 0.25, heads: ["mood"] });
  const session = await InferenceSession.create(join(folder, "onnx/model.onnx"));
  const rows = int64([[7]]);
  const output = await session.run({ input_ids: rows, attention_mask: rows });
  const vector = tokenVector(7, 0.25);
  close(output.last_hidden_state?.data, vector);
  notDeepEqual(vector, tokenVector(7));
  const head = await InferenceSession.create(join(folder, "heads/mood/head.onnx"));
  deepEqual(head.inputNames, ["sentence_embedding"]);
  const sentence_embedding = new Tensor("float32", Float32Array.from(vector), [1, 4]);
  const { logits } = await head.run({ sentence_embedding });
  const sum = (vector[0] as number) + (vector[1] as number) + (vector[2] as number);
  equal(headWeights.length, 8);
  close(logits?.data, [-sum, sum]);
});

test("the classifier's logits do not depend on padding", async (t) => {
  const session = await repository(t)("classifier/model.onnx");
  const mean = [0, 1, 2, 3].map((i) => {
    return ((tokenVector(101)[i] as number) + (tokenVector(102)[i] as number)) / 2;
  });
  const expected = classifierBias.map((bias, label) =>
    mean.reduce((sum, x, i) => sum + x * (classifierWeights[3 * i + label] as number), bias),
  );
  const { logits } = await session.run({
    input_ids: int64([[101, 102, 0, 0]]),
    attention_mask: int64([[1, 1, 0, 0]]),
  });
  close(logits?.data, expected);
});

test("the cross-encoder multiplies both texts of a pair", async (t) => {
  const session = await repository(t)("cross_encoder/model.onnx");
  const input_ids = int64([
    [5, 6, 7, 0],
    [5, 6, 7, 8],
  ]);
  const attention_mask = int64([
    [1, 1, 1, 0],
    [1, 1, 1, 1],
  ]);
  const token_type_ids = int64([
    [0, 0, 1, 0],
    [0, 0, 0, 0],
  ]);
  const { logits } = await session.run({ input_ids, attention_mask, token_type_ids });
  const product = [0, 1, 2, 3].reduce((sum, i) => {
    const query = (tokenVector(5)[i] as number) + (tokenVector(6)[i] as number);
    return sum + query * (tokenVector(7)[i] as number);
  }, 0);
  deepEqual(logits?.dims, [2, 1]);
  close(logits?.data, [product, 0]);
});

test("splade's tokenizer and logits fit each other", async (t) => {
  const root = temporaryFolder(t);
  writeTinyModels(root);
  const tokenizer = Tokenizer.fromFile(join(root, "splade/tokenizer.json"));
  const ids = (await tokenizer.encode("Cat unicorn", null)).getIds();
  deepEqual(ids, [2, 5, 1, 3]);
  const session = await InferenceSession.create(join(root, "splade/model.onnx"));
  const { logits } = await session.run({ input_ids: int64([ids]), attention_mask: int64([ids]) });
  deepEqual(logits?.dims, [1, 4, 21]);
  const cat = (logits?.data as Float32Array | undefined)?.slice(21, 42);
  close(cat, [-1, -1, -1, -1, -1, 2, 1, ...Array.from({ length: 14 }, () => -1)]);
});
