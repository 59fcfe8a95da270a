import { MeshError } from "../../lib/errors.js";
import type { ModelSpec } from "../../lib/model-spec.js";
import type { CallSignal } from "../../lib/rpc/call-signal.js";
import type {
  ModelRepository,
  NamedTensor,
  ServedModel,
  TensorMetadata,
  VersionStatus,
  WorkOptions,
} from "../../services/inference/models/served-model.js";

type Run = (inputs: readonly NamedTensor[], options: WorkOptions) => readonly NamedTensor[];

/** A repository whose models are functions: `simple`, `echo` (BYTES), `slow` (never answers) and `owner/embedding`. */
export class FakeRepository implements ModelRepository {
  readonly ran: { readonly model: string; readonly options: WorkOptions }[] = [];
  isHealthy = true;
  readonly #loaded = new Set(["simple", "echo", "slow", "owner/embedding"]);

  versions(): readonly VersionStatus[] {
    return Object.keys(models).map((model) => {
      const isLoaded = this.#loaded.has(model);
      const state = isLoaded ? "ready" : "unavailable";
      return { model, version: "1", state, reason: isLoaded ? "" : "unloaded", revision: "abc" };
    });
  }

  resolve(name: string, version: string): ServedModel {
    const model = models[name];
    if (model === undefined || !this.#loaded.has(name)) {
      throw new MeshError("not_found", `unknown model: ${name}`);
    }
    if (!["", "1", "stable"].includes(version)) {
      throw new MeshError("not_found", `unknown version: ${version}`);
    }
    return {
      name,
      version: "1",
      revision: "abc",
      isHealthy: this.isHealthy,
      statistics,
      ...model,
      runTensors: async (inputs, outputNames, options) => {
        this.ran.push({ model: name, options });
        if (name === "slow") await aborted(options.signal);
        const outputs = model.run(inputs, options);
        return outputs.filter(
          (output) => outputNames.length === 0 || outputNames.includes(output.name),
        );
      },
    };
  }

  async load(model: string): Promise<void> {
    if (models[model] === undefined) throw new MeshError("not_found", `unknown model: ${model}`);
    this.#loaded.add(model);
  }

  async unload(model: string): Promise<void> {
    if (!this.#loaded.delete(model)) throw new MeshError("not_found", `${model} is not loaded`);
  }
}

const tensors: ModelSpec = { task: "tensors", path: "/models", files: { float32: "model.onnx" } };
const embedding: ModelSpec = {
  ...tensors,
  task: "embedding",
  tokensMax: 256,
  vocabularySize: 100,
  prompts: {},
  defaultPrompt: undefined,
  hiddenSize: 3,
  dimensions: 3,
  pooling: "mean",
  dense: [],
  heads: [],
};

const models: Readonly<
  Record<string, Pick<ServedModel, "spec" | "inputs" | "outputs"> & { readonly run: Run }>
> = {
  simple: {
    spec: tensors,
    inputs: ["INPUT0", "INPUT1"].map((name) => tensor(name, "INT32", [1, 16])),
    outputs: ["OUTPUT0", "OUTPUT1"].map((name) => tensor(name, "INT32", [1, 16])),
    run: ([first, second]) => [
      combine("OUTPUT0", first, second, (a, b) => a + b),
      combine("OUTPUT1", first, second, (a, b) => a - b),
    ],
  },
  echo: {
    spec: tensors,
    inputs: [tensor("INPUT0", "BYTES", [-1])],
    outputs: [tensor("OUTPUT0", "BYTES", [-1])],
    run: (inputs) => inputs.map((input) => ({ ...input, name: "OUTPUT0" })),
  },
  slow: {
    spec: tensors,
    inputs: [tensor("INPUT0", "FP32", [-1])],
    outputs: [tensor("OUTPUT0", "FP32", [-1])],
    run: () => [],
  },
  "owner/embedding": {
    spec: embedding,
    inputs: ["input_ids", "attention_mask"].map((name) => tensor(name, "INT64", [-1, -1])),
    outputs: [tensor("last_hidden_state", "FP32", [-1, -1, 3])],
    run: () => [{ ...tensor("last_hidden_state", "FP32", [1, 0, 3]), bytes: new Uint8Array() }],
  },
};

const statistics = {
  inferenceCount: 3,
  executionCount: 2,
  lastInferenceAtMs: 1_700_000_000_000,
  success: { count: 3, ns: 3_000 },
  failure: { count: 1, ns: 10 },
  queue: { count: 3, ns: 300.4 },
  compute: { count: 3, ns: 2_000 },
};

function tensor(
  name: string,
  datatype: TensorMetadata["datatype"],
  shape: readonly number[],
): TensorMetadata {
  return { name, datatype, shape };
}

function combine(
  name: string,
  first: NamedTensor | undefined,
  second: NamedTensor | undefined,
  operation: (a: number, b: number) => number,
): NamedTensor {
  if (first === undefined || second === undefined) {
    throw new MeshError("invalid", "expected INPUT0 and INPUT1");
  }
  const [a, b] = [numbersOf(first), numbersOf(second)];
  const values = Int32Array.from(a, (value, index) => operation(value, b[index] ?? 0));
  return { name, datatype: "INT32", shape: first.shape, bytes: new Uint8Array(values.buffer) };
}

function numbersOf({ bytes }: NamedTensor): Int32Array {
  return new Int32Array(new Uint8Array(bytes).buffer);
}

function aborted(signal: CallSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason));
  });
}
