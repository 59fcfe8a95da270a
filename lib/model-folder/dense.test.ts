import { deepEqual, equal, throws } from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  denseBias,
  denseWeights,
  type EmbeddingOptions,
  safetensorsBytes,
  temporaryFolder,
  write,
  writeEmbedding,
} from "../../test/support/tiny-models.js";
import type { Dense } from "../model-spec.js";
import { ConfinedFolder } from "./confined-folder.js";
import { readDense } from "./dense.js";

type Options = NonNullable<EmbeddingOptions["dense"]>;

function folderOf(t: TestContext, options: Options, files: Record<string, unknown> = {}): string {
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { dense: options });
  write(folder, files);
  return folder;
}

function read(folder: string): Dense {
  return readDense(new ConfinedFolder(folder), "2_Dense", 4);
}

test("weights, bias and activation are read", (t) => {
  deepEqual(read(folderOf(t, { activation: "GELU" })), {
    weight: Float32Array.from(denseWeights),
    bias: Float32Array.from(denseBias),
    activation: "gelu",
  });
  equal(read(folderOf(t, { activation: "Identity", hasBias: false })).bias, undefined);
});

test("each activation has its name in torch, and tanh is the default", (t) => {
  const names: Record<Options["activation"], Dense["activation"]> = {
    Identity: "identity",
    Tanh: "tanh",
    ReLU: "relu",
    GELU: "gelu",
    Sigmoid: "sigmoid",
  };
  for (const [activation, expected] of Object.entries(names)) {
    const folder = folderOf(t, { activation: activation as Options["activation"] });
    equal(read(folder).activation, expected);
  }
  const silent = { "2_Dense/config.json": { in_features: 4, out_features: 3, bias: true } };
  equal(read(folderOf(t, { activation: "ReLU" }, silent)).activation, "tanh");
});

test("what is wrong with a layer is told by the file", (t) => {
  const config = { in_features: 4, out_features: 3, bias: true };
  const weight = { shape: [3, 4], values: denseWeights };
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ["config.json", { ...config, in_features: 5 }, /in_features is 5, but vectors of 4 come in$/],
    ["config.json", { ...config, out_features: 0 }, /out_features: /],
    ["config.json", { ...config, activation_function: "torch.nn.SiLU" }, /not torch\.nn\.SiLU$/],
    ["config.json", { ...config, activation_function: "constructor" }, /not constructor$/],
    ["config.json", { ...config, module_input_name: "token_embeddings" }, /module_input_name: /],
    ["config.json", { ...config, use_residual: true }, /use_residual: /],
    ["model.safetensors", safetensorsBytes({}), /has no tensor linear\.weight$/],
    ["model.safetensors", safetensorsBytes({ "linear.weight": weight }), /no tensor linear\.bias$/],
    [
      "model.safetensors",
      safetensorsBytes({ "linear.weight": { ...weight, shape: [4, 3] } }),
      /linear\.weight has shape \[4,3\] instead of \[3,4\]$/,
    ],
    ["model.safetensors", new TextEncoder().encode("PK pickle"), /is not a safetensors file/],
  ];
  for (const [file, content, message] of cases) {
    const folder = folderOf(t, { activation: "Tanh" }, { [`2_Dense/${file}`]: content });
    throws(
      () => read(folder),
      (error: Error) =>
        error.message.startsWith(`2_Dense/${file}: `) && message.test(error.message),
      `${message}`,
    );
  }
});

test("weights in a pickle only are no weights", (t) => {
  const folder = folderOf(t, { activation: "Tanh" }, { "2_Dense/pytorch_model.bin": {} });
  rmSync(join(folder, "2_Dense/model.safetensors"));
  throws(() => read(folder), {
    fault: "invalid",
    message: "2_Dense/model.safetensors: does not exist",
  });
});
