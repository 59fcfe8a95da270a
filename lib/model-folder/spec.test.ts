import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { seeded } from "../../test/support/random.js";
import {
  temporaryFolder,
  write,
  writeBroken,
  writeClassifier,
  writeCrossEncoder,
  writeEmbedding,
  writeExternal,
  writeSimple,
  writeSplade,
} from "../../test/support/tiny-models.js";
import { MeshError } from "../errors.js";
import type { ClassifierModel, EmbeddingModel, ModelSpec } from "../model-spec.js";
import { packageRoot } from "../package-root.js";
import { readModelSpec } from "./spec.js";

/** A folder written by `fill`, with a few files replaced. */
function folderOf(
  t: TestContext,
  fill: (folder: string) => void,
  files: Readonly<Record<string, unknown>> = {},
): string {
  const folder = temporaryFolder(t);
  fill(folder);
  write(folder, files);
  return folder;
}

function read(t: TestContext, ...[fill, files]: [(folder: string) => void, object?]): ModelSpec {
  return readModelSpec(folderOf(t, fill, files as Record<string, unknown>));
}

const config = { hidden_size: 4, vocab_size: 9, max_position_embeddings: 8 };

test("the embedded model is an embedding model of 384 dimensions with a head", () => {
  const path = join(packageRoot, "models/all-MiniLM-L6-v2");
  deepEqual(readModelSpec(path), {
    task: "embedding",
    path,
    files: { int8: join(path, "onnx/model_int8.onnx") },
    tokensMax: 256,
    vocabularySize: 30_522,
    prompts: {},
    defaultPrompt: undefined,
    hiddenSize: 384,
    dimensions: 384,
    pooling: "mean",
    dense: [],
    heads: [
      {
        name: "sentiment",
        file: join(path, "heads/sentiment/head.onnx"),
        labels: ["NEGATIVE", "POSITIVE"],
      },
    ],
  });
});

test("a folder of sentence-transformers says all about an embedding model", (t) => {
  const path = folderOf(t, (folder) =>
    writeEmbedding(folder, {
      pooling: "lasttoken",
      dense: { activation: "Tanh" },
      prompts: { query: "query: ", document: "" },
      defaultPrompt: "query",
      tokensMax: 32,
      heads: ["mood", "anger"],
    }),
  );
  const labels = ["NEGATIVE", "POSITIVE"];
  const { dense, ...spec } = readModelSpec(path) as EmbeddingModel;
  equal(dense[0]?.activation, "tanh");
  deepEqual(spec, {
    task: "embedding",
    path,
    files: { float32: join(path, "onnx/model.onnx") },
    tokensMax: 32,
    vocabularySize: 30_522,
    prompts: { query: "query: ", document: "" },
    defaultPrompt: "query",
    hiddenSize: 4,
    dimensions: 3,
    pooling: "last_token",
    heads: [
      { name: "anger", file: join(path, "heads/anger/head.onnx"), labels },
      { name: "mood", file: join(path, "heads/mood/head.onnx"), labels },
    ],
  });
});

test("an encoder without modules is pooled by its mean, as sentence-transformers does", (t) => {
  const bare = { ...config, architectures: ["BertModel"] };
  const { task, pooling } = read(t, writeSimple, { "config.json": bare }) as EmbeddingModel;
  deepEqual([task, pooling], ["embedding", "mean"]);
});

test("each family names its hidden size as it likes", (t) => {
  for (const name of ["hidden_size", "dim", "d_model", "n_embd"]) {
    const { hidden_size, ...rest } = config;
    const files = { "config.json": { ...rest, [name]: hidden_size } };
    equal((read(t, writeSimple, files) as EmbeddingModel).dimensions, 4);
  }
});

test("a sequence classifier has the labels of id2label", (t) => {
  const spec = read(t, (folder) => writeClassifier(folder)) as ClassifierModel;
  equal(spec.task, "classification");
  deepEqual(spec.labels, ["bad", "fair", "good"]);
  equal(spec.isMultiLabel, false);
  const many = read(t, (folder) => writeClassifier(folder, { isMultiLabel: true }));
  equal((many as ClassifierModel).isMultiLabel, true);
});

test("a sequence classifier of one label ranks", (t) => {
  const spec = read(t, writeCrossEncoder) as ClassifierModel;
  equal(spec.task, "reranking");
  deepEqual(spec.labels, ["LABEL_0"]);
  // As newer versions of sentence-transformers save them.
  const modules = [{ type: "sentence_transformers.base.modules.Transformer", path: "" }];
  equal(read(t, writeCrossEncoder, { "modules.json": modules }).task, "reranking");
});

test("a masked language model is sparse, unless it is pooled", (t) => {
  equal(read(t, writeSplade).task, "sparse");
  const masked = { ...config, architectures: ["BertForMaskedLM"] };
  equal(read(t, writeEmbedding, { "config.json": masked }).task, "embedding");
});

test("SpladePooling is sparse whatever the architecture", (t) => {
  const modules = [
    { type: "sentence_transformers.sparse_encoder.models.MLMTransformer", path: "" },
    { type: "sentence_transformers.sparse_encoder.models.SpladePooling", path: "1_SpladePooling" },
  ];
  const files = {
    "config.json": { ...config, architectures: ["SomeModel"] },
    "modules.json": modules,
    "1_SpladePooling/config.json": { pooling_strategy: "max", activation_function: "relu" },
  };
  equal(read(t, writeSplade, files).task, "sparse");
});

test("without config.json there are tensors only, and so for models with other heads", (t) => {
  const path = folderOf(t, writeSimple);
  deepEqual(readModelSpec(path), {
    task: "tensors",
    path,
    files: { float32: join(path, "model.onnx") },
  });
  for (const architecture of ["BertForTokenClassification", "GPT2LMHeadModel"]) {
    const files = { "config.json": { architectures: [architecture] } };
    equal(read(t, writeSimple, files).task, "tensors");
  }
});

test("what is missing or does not fit in config.json is told", (t) => {
  const cases: readonly (readonly [object, RegExp])[] = [
    [{ vocab_size: undefined }, /^config\.json: expected vocab_size$/],
    [{ vocab_size: 0 }, /^config\.json: vocab_size: /],
    [{ vocab_size: "many" }, /^config\.json: vocab_size: /],
    [{ hidden_size: undefined }, /^config\.json: expected hidden_size$/],
    [{ hidden_size: 2 ** 40 }, /^config\.json: hidden_size: /],
    [{ hidden_size: 5 }, /^config\.json: hidden_size is 5, but Pooling expects 4$/],
    [{ architectures: "BertModel" }, /^config\.json: architectures: /],
  ];
  for (const [change, message] of cases) {
    const files = { "config.json": { ...config, ...change } };
    throws(() => read(t, writeEmbedding, files), { fault: "invalid", message });
  }
});

test("regression is for one label", (t) => {
  const regression = {
    ...config,
    architectures: ["BertForSequenceClassification"],
    problem_type: "regression",
  };
  throws(() => read(t, writeClassifier, { "config.json": regression }), {
    fault: "invalid",
    message: "config.json: problem_type: regression is supported with one label only",
  });
});

test("modules without config.json are no model", (t) => {
  const folder = folderOf(t, (path) => writeEmbedding(path));
  rmSync(join(folder, "config.json"));
  throws(() => readModelSpec(folder), { message: "config.json: does not exist" });
});

test("a broken model, and one whose data is elsewhere, is refused", (t) => {
  throws(() => read(t, writeBroken), { fault: "invalid", message: /^model\.onnx: is not an ONNX/ });
  equal(read(t, writeExternal).task, "tensors");
});

test("an error never says where the folder stands", (t) => {
  const folder = folderOf(t, (path) => writeEmbedding(path), { "modules.json": "nonsense" });
  throws(
    () => readModelSpec(folder),
    ({ message }: Error) => !message.includes(folder) && message.startsWith("modules.json: "),
  );
});

const files = [
  "config.json",
  "modules.json",
  "1_Pooling/config.json",
  "2_Dense/config.json",
  "2_Dense/model.safetensors",
  "sentence_bert_config.json",
  "tokenizer_config.json",
  "config_sentence_transformers.json",
  "heads/mood/config.json",
  "heads/mood/head.onnx",
];
const values = [null, -1, 0, 0.5, 1e30, "", "../..", "x", [], {}, [null], { x: 1 }, true];

test("whatever stands in its files, a folder is read or refused", (t) => {
  const random = seeded(t);
  const folder = folderOf(t, (path) =>
    writeEmbedding(path, {
      dense: { activation: "GELU" },
      prompts: { query: "q" },
      heads: ["mood"],
    }),
  );
  const originals = readAll(folder);
  for (let round = 0; round < 400; round += 1) {
    const name = random.pick(files);
    const original = originals.get(name) as Buffer;
    writeFileSync(join(folder, name), damaged(name, original, random));
    try {
      ok(readModelSpec(folder).task);
    } catch (error) {
      ok(error instanceof MeshError && error.fault === "invalid", `${name}: ${error}`);
      ok(!error.message.includes(folder), error.message);
    }
    writeFileSync(join(folder, name), original);
  }
});

function readAll(folder: string): Map<string, Buffer> {
  return new Map(files.map((name) => [name, readFileSync(join(folder, name))]));
}

/** One value of a JSON file exchanged, or a few bytes of any file. */
function damaged(name: string, original: Buffer, random: ReturnType<typeof seeded>): Uint8Array {
  if (name.endsWith(".json") && random.int(2) === 0) {
    const json = JSON.parse(original.toString("utf8"));
    const target = Array.isArray(json) ? random.pick(json) : json;
    target[random.pick(Object.keys(target))] = random.pick(values);
    return new TextEncoder().encode(JSON.stringify(json));
  }
  const bytes = Uint8Array.from(original);
  for (let change = 1 + random.int(3); change > 0; change -= 1) {
    bytes[random.int(bytes.length)] = random.int(256);
  }
  return bytes.subarray(0, random.int(3) === 0 ? random.int(bytes.length) : bytes.length);
}
