import { z } from "zod";
import { invalid, shown } from "../invalid-file.js";
import type { Dense } from "../model-spec.js";
import { readSafetensors } from "../safetensors.js";
import type { ConfinedFolder } from "./confined-folder.js";

const weightBytesMax = 2 ** 31;

const activations: Readonly<Record<string, Dense["activation"]>> = {
  Identity: "identity",
  Tanh: "tanh",
  ReLU: "relu",
  GELU: "gelu",
  Sigmoid: "sigmoid",
};

const size = z.int().min(1).max(65_536);
const vectorName = z.literal("sentence_embedding").nullish();
const schema = z.object({
  in_features: size,
  out_features: size,
  bias: z.boolean().default(true),
  activation_function: z.string().nullish(),
  module_input_name: vectorName,
  module_output_name: vectorName,
  use_residual: z.literal(false).nullish(),
});

/** Reads a Dense module of sentence-transformers that takes vectors of length `inputs`. */
export function readDense(folder: ConfinedFolder, path: string, inputs: number): Dense {
  const file = `${path}/config.json`;
  const said = folder.json(file, schema);
  if (said.in_features !== inputs) {
    throw invalid(file, `in_features is ${said.in_features}, but vectors of ${inputs} come in`);
  }
  const activation = activationOf(said.activation_function ?? "Tanh");
  if (activation === undefined) {
    const names = Object.keys(activations).join(", ");
    throw invalid(
      file,
      `expected activation_function to be one of ${names}, not ${shown(`${said.activation_function}`)}`,
    );
  }
  const weights = `${path}/model.safetensors`;
  const from = folder.require(weights, weightBytesMax);
  const tensors = readSafetensors(from, ["linear.weight", "linear.bias"], weights);
  const tensor = (name: string, shape: readonly number[]) => {
    const found = tensors.get(name);
    if (found === undefined) throw invalid(weights, `has no tensor ${name}`);
    if (`${found.shape}` === `${shape}`) return found.values;
    throw invalid(weights, `${name} has shape [${found.shape}] instead of [${shape}]`);
  };
  return {
    weight: tensor("linear.weight", [said.out_features, said.in_features]),
    bias: said.bias ? tensor("linear.bias", [said.out_features]) : undefined,
    activation,
  };
}

/** By the last part of a name like `torch.nn.modules.activation.Tanh`. */
function activationOf(name: string): Dense["activation"] | undefined {
  const last = name.slice(name.lastIndexOf(".") + 1);
  return Object.hasOwn(activations, last) ? activations[last] : undefined;
}
