import type { TestContext } from "node:test";
import { Registry } from "prom-client";
import { Priority } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { systemClock } from "../../lib/clock.js";
import { readConfig } from "../../lib/config.js";
import { createLog } from "../../lib/log.js";
import { ModelCatalog } from "../../lib/model-catalog.js";
import { readModelSpec } from "../../lib/model-folder/spec.js";
import { noSpan } from "../../lib/tracing/span.js";
import type { Row, RowOutput } from "../../services/inference/batching/batch.js";
import { type InferenceConfig, inferenceSchema } from "../../services/inference/config.js";
import { createInferenceMetrics } from "../../services/inference/metrics.js";
import { type LoadDeps, LoadedModel } from "../../services/inference/models/loaded-model.js";
import { Repository } from "../../services/inference/models/repository.js";
import type { NamedTensor, WorkOptions } from "../../services/inference/models/served-model.js";

/** One worker unless the test says otherwise, so that nothing is measured at the start. */
export function inferenceConfig(env: Readonly<Record<string, string>> = {}): InferenceConfig {
  return readConfig(inferenceSchema, { INFERENCE_WORKERS: "1", ...env });
}

export function loadDeps(registry = new Registry()): LoadDeps {
  const metrics = createInferenceMetrics(registry, systemClock);
  return { clock: systemClock, log: createLog("silent"), metrics };
}

/** The model of a folder, closed after the test. */
export async function openModel(
  t: Pick<TestContext, "after">,
  folder: string,
  env: Readonly<Record<string, string>> = {},
  deps: LoadDeps = loadDeps(),
): Promise<LoadedModel> {
  const version = { name: "tiny", version: "1", revision: "r1", spec: readModelSpec(folder) };
  const model = await LoadedModel.open(version, inferenceConfig(env), deps);
  t.after(() => model.close(0));
  return model;
}

/** A repository of the models in the folders of `root`; `first` is the default one. Nothing is loaded yet. */
export function repositoryOf(
  t: Pick<TestContext, "after">,
  root: string,
  first: string,
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly deps?: LoadDeps;
    readonly random?: () => number;
  } = {},
): Repository {
  const { env = {}, deps = loadDeps(), random = Math.random } = options;
  const config = inferenceConfig({
    MODEL_REPOSITORY: root,
    MODEL_PATH: `${root}/${first}`,
    MODEL_ID: first,
    ...env,
  });
  const repository = new Repository(new ModelCatalog(config), config, { ...deps, random });
  t.after(() => repository.close());
  return repository;
}

export function workOptions(over: Partial<WorkOptions> = {}): WorkOptions {
  const { signal } = new AbortController();
  return { priority: Priority.UNSPECIFIED, caller: "", signal, trace: noSpan, ...over };
}

export function rowOf(ids: readonly number[], output: RowOutput = "vector"): Row {
  return { ids, typeIds: [], output };
}

/** The numbers of each row, in order. */
export async function valuesOf(
  model: Pick<LoadedModel, "run">,
  rows: readonly Row[],
  options: WorkOptions = workOptions(),
): Promise<Float32Array[]> {
  const values = new Array<Float32Array>(rows.length);
  await model.run(rows, options, (row, numbers) => {
    values[row] = numbers.slice();
  });
  return values;
}

export function float32Tensor(
  name: string,
  shape: readonly number[],
  values: Iterable<number>,
): NamedTensor {
  const bytes = new Uint8Array(Float32Array.from(values).buffer);
  return { name, datatype: "FP32", shape, bytes };
}
