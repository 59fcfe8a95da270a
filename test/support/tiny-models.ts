import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { onnxBytes } from "./onnx-builder.js";
import * as graphs from "./tiny-graphs.js";
import { tinyTokenizer, tinyVocabulary } from "./tiny-tokenizer.js";

/** A new folder in the system's folder for temporary files, removed after the test. */
export function temporaryFolder(t: Pick<TestContext, "after">): string {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-models-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Every kind of model, each in the folder of its name: a repository of models that works, but for `broken`. */
export function writeTinyModels(root: string): void {
  writeSimple(join(root, "simple/1"));
  writeSimpleString(join(root, "simple_string/1"));
  writeIdentity(join(root, "identity/1"));
  writeExternal(join(root, "external/1"));
  writeBroken(join(root, "broken/1"));
  writeEmbedding(join(root, "embedding"));
  writeClassifier(join(root, "classifier"));
  writeCrossEncoder(join(root, "cross_encoder"));
  writeSplade(join(root, "splade"));
}

/** Triton's example: OUTPUT0 = INPUT0 + INPUT1, OUTPUT1 = INPUT0 - INPUT1, all INT32 [1, 16]. */
export function writeSimple(folder: string): void {
  write(folder, { "model.onnx": onnxBytes(graphs.simple) });
}

/** OUTPUT0 = INPUT0, BYTES [1, 16]. */
export function writeSimpleString(folder: string): void {
  write(folder, { "model.onnx": onnxBytes(graphs.simpleString) });
}

/** OUTPUT0 = INPUT0, FP32 [batch, 4]. */
export function writeIdentity(folder: string): void {
  write(folder, { "model.onnx": onnxBytes(graphs.identity) });
}

/** OUTPUT0 = row INPUT0 of a table of two, FP32 [batch, 1, 4]; any other number is a bug of the model's. */
export function writeLookup(folder: string): void {
  write(folder, { "model.onnx": onnxBytes(graphs.lookup) });
}

/** OUTPUT0 = INPUT0 + [1, 2, 3, 4], FP32 [batch, 4]; the constant is in another file, `location`. */
export function writeExternal(folder: string, location = "model.onnx_data"): void {
  write(folder, { "model.onnx": onnxBytes(graphs.external(location)) });
  if (!location.includes("..") && !location.startsWith("/")) {
    write(folder, { [location]: new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer) });
  }
}

/** Neither ONNX nor Protobuf. */
export function writeBroken(folder: string): void {
  write(folder, { "model.onnx": new TextEncoder().encode("this is no model") });
}

export interface EmbeddingOptions {
  readonly pooling?: "mean" | "cls" | "max" | "lasttoken";
  /** Whether modules.json ends with Normalize. */
  readonly isNormalized?: boolean;
  /** Added to all weights, so that the vectors of two versions differ. */
  readonly shift?: number;
  /** A 2_Dense module from 4 to 3 numbers. */
  readonly dense?: {
    readonly activation: "Identity" | "Tanh" | "ReLU" | "GELU" | "Sigmoid";
    readonly hasBias?: boolean;
  };
  readonly prompts?: Readonly<Record<string, string>>;
  readonly defaultPrompt?: string;
  readonly tokensMax?: number;
  /** Heads with the labels NEGATIVE and POSITIVE, by name; logits are `headWeights` times the vector. */
  readonly heads?: readonly string[];
}

/** Weights of the 2_Dense module, [3, 4] and [3]. */
export const denseWeights = [1, 0, 0, 0, 0, 2, 0, 0, 0.5, 0.5, 0.5, -0.5];
export const denseBias = [0.25, 0, -1];
/** Weights of a head over vectors of length 4 or 3: the sum of the first three numbers decides. */
export const headWeights = [-1, -1, -1, 0, 1, 1, 1, 0];

/** Token vectors of length 4 by `graphs.tokenVector`, pooled; with the tokenizer of all-MiniLM-L6-v2. */
export function writeEmbedding(folder: string, options: EmbeddingOptions = {}): void {
  const { shift = 0, tokensMax = 256, dense, heads = [] } = options;
  write(folder, {
    "onnx/model.onnx": onnxBytes(graphs.embedding(shift)),
    "config.json": bertConfig("BertModel", {}),
    "sentence_bert_config.json": { max_seq_length: tokensMax, do_lower_case: false },
    "modules.json": modulesJson(options),
    "1_Pooling/config.json": poolingJson(options.pooling ?? "mean"),
    ...(dense === undefined ? {} : denseFiles(dense)),
    ...promptFiles(options),
  });
  const width = dense === undefined ? 4 : 3;
  const weights = [headWeights.slice(0, width), headWeights.slice(4, 4 + width)].flat();
  for (const head of heads) {
    write(join(folder, "heads", head), {
      "config.json": { id2label: { 0: "NEGATIVE", 1: "POSITIVE" } },
      "head.onnx": onnxBytes(graphs.head(width, weights)),
    });
  }
  copyTokenizer(folder);
}

/** Three labels; logits are the mean of the token vectors times a matrix. */
export function writeClassifier(
  folder: string,
  {
    isMultiLabel = false,
    labels = ["bad", "fair", "good"],
  }: { readonly isMultiLabel?: boolean; readonly labels?: readonly string[] } = {},
): void {
  write(folder, {
    "model.onnx": onnxBytes(graphs.classifier),
    "config.json": bertConfig("BertForSequenceClassification", {
      id2label: Object.fromEntries(labels.map((label, id) => [id, label])),
      problem_type: isMultiLabel ? "multi_label_classification" : "single_label_classification",
    }),
  });
  copyTokenizer(folder);
}

/** One logit: the product of the sums of both texts' vectors, so it is 0 for a text without a partner. */
export function writeCrossEncoder(folder: string): void {
  write(folder, {
    "model.onnx": onnxBytes(graphs.crossEncoder),
    "config.json": bertConfig("BertForSequenceClassification", {
      id2label: { 0: "LABEL_0" },
      sentence_transformers: { activation_fn: "torch.nn.modules.linear.Identity" },
    }),
  });
  copyTokenizer(folder);
}

/** A masked language model over `tinyVocabulary`: each word stands for itself and, half as much, for the next one. */
export function writeSplade(folder: string): void {
  write(folder, {
    "model.onnx": onnxBytes(graphs.maskedLanguageModel(tinyVocabulary.length)),
    "config.json": bertConfig("BertForMaskedLM", { vocab_size: tinyVocabulary.length }),
    "tokenizer.json": tinyTokenizer,
    "tokenizer_config.json": { tokenizer_class: "BertTokenizer", model_max_length: 64 },
  });
}

/** Files by their paths in the folder; what is no bytes is written as JSON. */
export function write(folder: string, files: Readonly<Record<string, unknown>>): void {
  for (const [path, content] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content instanceof Uint8Array ? content : JSON.stringify(content));
  }
}

/** A safetensors file with float32 tensors. */
export function safetensorsBytes(
  tensors: Readonly<Record<string, { shape: readonly number[]; values: readonly number[] }>>,
): Uint8Array {
  let end = 0;
  const header = Object.entries(tensors).map(([name, { shape, values }]) => {
    const begin = end;
    end += 4 * values.length;
    return [name, { dtype: "F32", shape, data_offsets: [begin, end] }];
  });
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const length = new Uint8Array(BigUint64Array.of(BigInt(json.length)).buffer);
  const values = Float32Array.from(Object.values(tensors).flatMap((tensor) => tensor.values));
  return Buffer.concat([length, json, new Uint8Array(values.buffer)]);
}

function bertConfig(architecture: string, more: object): object {
  return {
    architectures: [architecture],
    model_type: "bert",
    hidden_size: 4,
    max_position_embeddings: 512,
    pad_token_id: 0,
    type_vocab_size: 2,
    vocab_size: graphs.vocabularySize,
    ...more,
  };
}

function modulesJson({ dense, isNormalized = true }: EmbeddingOptions): object[] {
  const modules = [
    { path: "", type: "sentence_transformers.models.Transformer" },
    { path: "1_Pooling", type: "sentence_transformers.models.Pooling" },
  ];
  if (dense) modules.push({ path: "2_Dense", type: "sentence_transformers.models.Dense" });
  if (isNormalized) {
    const path = `${modules.length}_Normalize`;
    modules.push({ path, type: "sentence_transformers.models.Normalize" });
  }
  return modules.map((module, idx) => ({ idx, name: `${idx}`, ...module }));
}

function poolingJson(pooling: NonNullable<EmbeddingOptions["pooling"]>): object {
  return {
    word_embedding_dimension: 4,
    pooling_mode_cls_token: pooling === "cls",
    pooling_mode_mean_tokens: pooling === "mean",
    pooling_mode_max_tokens: pooling === "max",
    pooling_mode_mean_sqrt_len_tokens: false,
    pooling_mode_weightedmean_tokens: false,
    pooling_mode_lasttoken: pooling === "lasttoken",
    include_prompt: true,
  };
}

function denseFiles({ activation, hasBias = true }: NonNullable<EmbeddingOptions["dense"]>) {
  const weight = { shape: [3, 4], values: denseWeights };
  const bias = { shape: [3], values: denseBias };
  const module = activation === "Identity" ? "linear" : "activation";
  return {
    "2_Dense/config.json": {
      in_features: 4,
      out_features: 3,
      bias: hasBias,
      activation_function: `torch.nn.modules.${module}.${activation}`,
    },
    "2_Dense/model.safetensors": safetensorsBytes({
      "linear.weight": weight,
      ...(hasBias ? { "linear.bias": bias } : {}),
    }),
  };
}

function promptFiles({ prompts, defaultPrompt }: EmbeddingOptions): object {
  if (prompts === undefined) return {};
  return {
    "config_sentence_transformers.json": { prompts, default_prompt_name: defaultPrompt ?? null },
  };
}

function copyTokenizer(folder: string): void {
  for (const name of ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"]) {
    cpSync(join(packageRoot, "models/all-MiniLM-L6-v2", name), join(folder, name));
  }
}
