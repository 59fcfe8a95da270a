import { z } from "zod";
import { invalid, reading } from "../invalid-file.js";
import type { ClassifierModel, EmbeddingModel, ModelSpec, Task } from "../model-spec.js";
import { ConfinedFolder } from "./confined-folder.js";
import { readHeads } from "./heads.js";
import { labelsOf, labelsSchema } from "./labels.js";
import { type Modules, readModules } from "./modules.js";
import { readOnnxFiles } from "./onnx-files.js";
import { readPrompts } from "./prompts.js";
import { limitsSchema, readTokensMax } from "./text-limits.js";

export interface SpecLimits {
  /** Bytes of one ONNX file, and of one file of its external data. */
  readonly onnxBytesMax: number;
}

const gibibyte = 1 << 30;
const defaultLimits: SpecLimits = { onnxBytesMax: 8 * gibibyte };

/**
 * What the files of a folder say about a model: sentence-transformers, Hugging Face, or nothing but ONNX. Throws
 * `invalid` with the name of the file that is wrong, relative to the folder.
 */
export function readModelSpec(path: string, limits: SpecLimits = defaultLimits): ModelSpec {
  return reading<ModelSpec>("the model's folder", () => {
    const folder = new ConfinedFolder(path);
    const onnx = { path: folder.path, files: readOnnxFiles(folder, limits.onnxBytesMax) };
    const isText = ["config.json", "modules.json"].some((name) => folder.find(name) !== undefined);
    if (!isText) return { task: "tensors", ...onnx };
    const config = folder.json(configFile, configSchema);
    const modules = readModules(folder);
    const task = taskOf(config, modules);
    if (task === "tensors") return { task, ...onnx };
    const text = { ...onnx, ...readText(folder, config) };
    if (task === "sparse") return { task, ...text };
    if (task === "classification") return { ...text, ...readClassifier(config) };
    return { task, ...text, ...readEmbedding(folder, { config, modules, limits }) };
  });
}

const configFile = "config.json";
const size = z.int().min(1).max(65_536);
const configSchema = z.object({
  ...labelsSchema.shape,
  ...limitsSchema.shape,
  architectures: z.array(z.string()).nullish(),
  vocab_size: z.int().min(1).max(100_000_000).nullish(),
  problem_type: z.string().nullish(),
  /** The names of one thing in different families of models. */
  hidden_size: size.nullish(),
  dim: size.nullish(),
  d_model: size.nullish(),
  n_embd: size.nullish(),
});
type Config = z.infer<typeof configSchema>;

/** The modules decide; without any, the class of the model does. */
function taskOf(config: Config, modules: Modules): Exclude<Task, "reranking"> {
  if (modules.kind === "pooling") return "embedding";
  if (modules.kind === "splade") return "sparse";
  const architecture = config.architectures?.[0] ?? "";
  if (architecture.endsWith("ForSequenceClassification")) return "classification";
  if (architecture.endsWith("ForMaskedLM")) return "sparse";
  // A model with another head: its outputs are not vectors of texts, but anyone may still run it.
  if (/For[A-Z]|LMHead/.test(architecture)) return "tensors";
  return "embedding";
}

function readText(folder: ConfinedFolder, config: Config) {
  if (config.vocab_size == null) throw invalid(configFile, "expected vocab_size");
  return {
    tokensMax: readTokensMax(folder, config),
    vocabularySize: config.vocab_size,
    ...readPrompts(folder),
  };
}

/** With one label there is nothing to classify: the label's score ranks. */
function readClassifier(config: Config): Pick<ClassifierModel, "task" | "labels" | "isMultiLabel"> {
  const labels = labelsOf(config, configFile);
  if (labels.length === 1) return { task: "reranking", labels, isMultiLabel: true };
  if (config.problem_type === "regression") {
    throw invalid(configFile, "problem_type: regression is supported with one label only");
  }
  const isMultiLabel = config.problem_type === "multi_label_classification";
  return { task: "classification", labels, isMultiLabel };
}

function readEmbedding(
  folder: ConfinedFolder,
  { config, modules, limits }: { config: Config; modules: Modules; limits: SpecLimits },
): Pick<EmbeddingModel, "hiddenSize" | "dimensions" | "pooling" | "dense" | "heads"> {
  const hiddenSize = config.hidden_size ?? config.dim ?? config.d_model ?? config.n_embd;
  if (hiddenSize == null) throw invalid(configFile, "expected hidden_size");
  const heads = readHeads(folder, limits.onnxBytesMax);
  // Without modules, sentence-transformers takes the mean.
  if (modules.kind !== "pooling") {
    return { hiddenSize, dimensions: hiddenSize, pooling: "mean", dense: [], heads };
  }
  if (modules.hiddenSize !== hiddenSize) {
    throw invalid(
      configFile,
      `hidden_size is ${hiddenSize}, but Pooling expects ${modules.hiddenSize}`,
    );
  }
  const { dimensions, pooling, dense } = modules;
  return { hiddenSize, dimensions, pooling, dense, heads };
}
