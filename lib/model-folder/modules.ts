import { z } from "zod";
import { invalid, shown } from "../invalid-file.js";
import type { Dense, Pooling } from "../model-spec.js";
import type { ConfinedFolder } from "./confined-folder.js";
import { readDense } from "./dense.js";
import { readPooling } from "./pooling.js";

/** What modules.json makes of the Transformer's output. */
export type Modules =
  | { readonly kind: "none" }
  | {
      readonly kind: "pooling";
      readonly pooling: Pooling;
      readonly hiddenSize: number;
      readonly dimensions: number;
      readonly dense: readonly Dense[];
    }
  | { readonly kind: "splade" };

const file = "modules.json";
const schema = z
  .array(z.object({ type: z.string(), path: z.string() }))
  .min(1)
  .max(32);

interface Module {
  /** The last part of the class name; where it stands has changed between versions of sentence-transformers. */
  readonly kind: string;
  readonly path: string;
}

/**
 * Reads modules.json: a Transformer, then nothing, or SpladePooling, or Pooling, Dense and Normalize in this order.
 * Without the file, a Pooling in its usual place counts.
 */
export function readModules(folder: ConfinedFolder): Modules {
  const said = folder.findJson(file, schema);
  if (said === undefined) {
    if (folder.find("1_Pooling/config.json") === undefined) return { kind: "none" };
    return readPooled(folder, { kind: "Pooling", path: "1_Pooling" }, []);
  }
  const modules = said.map(({ type, path }) => ({
    kind: type.slice(type.lastIndexOf(".") + 1),
    path,
  }));
  const [first, second, ...rest] = modules.filter(({ kind }) => kind !== "Dropout");
  if (first === undefined || !["Transformer", "MLMTransformer"].includes(first.kind)) {
    throw unsupported(first);
  }
  // Whoever reads the tokenizer or the ONNX files looks for them in the folder itself.
  if (first.path !== "" && first.path !== ".") {
    throw invalid(
      file,
      `the Transformer has to be in the folder itself, not in ${shown(first.path)}`,
    );
  }
  if (second === undefined) return { kind: "none" };
  if (second.kind === "SpladePooling") return readSplade(folder, second, rest);
  if (second.kind === "Pooling") return readPooled(folder, second, rest);
  throw unsupported(second);
}

function readPooled(folder: ConfinedFolder, module: Module, rest: readonly Module[]): Modules {
  const { pooling, hiddenSize } = readPooling(folder, module.path);
  const last = rest.at(-1);
  const layers = last?.kind === "Normalize" ? rest.slice(0, -1) : rest;
  const dense: Dense[] = [];
  let dimensions = hiddenSize;
  for (const layer of layers) {
    if (layer.kind !== "Dense") throw unsupported(layer);
    const read = readDense(folder, layer.path, dimensions);
    dimensions = read.weight.length / dimensions;
    dense.push(read);
  }
  return { kind: "pooling", pooling, hiddenSize, dimensions, dense };
}

const spladeSchema = z.object({
  pooling_strategy: z.literal("max").default("max"),
  activation_function: z.literal("relu").default("relu"),
});

function readSplade(folder: ConfinedFolder, { path }: Module, rest: readonly Module[]): Modules {
  if (rest[0] !== undefined) throw unsupported(rest[0]);
  // Only checked: we compute what it may say.
  folder.json(`${path}/config.json`, spladeSchema);
  return { kind: "splade" };
}

function unsupported(module: Module | undefined): Error {
  const name = module === undefined ? "nothing" : shown(module.kind);
  return invalid(
    file,
    `expected Transformer, then SpladePooling or Pooling, Dense..., Normalize; ${name} does not fit there`,
  );
}
