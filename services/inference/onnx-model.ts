import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { ConfigError } from "../../lib/config.js";
import type { ModelFolder } from "../../lib/model-folder.js";
import type { InferenceConfig } from "./config.js";
import { WorkerPool, type WorkerPoolDeps } from "./worker-pool.js";

const fileOf = { int8: "onnx/model_int8.onnx", float32: "onnx/model.onnx" } as const;

/** Loads the model into worker threads; rejects with what is wrong with the file or the settings. */
export async function openOnnxModel(
  config: InferenceConfig,
  folder: ModelFolder,
  deps: WorkerPoolDeps,
): Promise<WorkerPool> {
  const file = join(folder.path, fileOf[config.dtype]);
  if (!existsSync(file)) {
    throw new ConfigError([`DTYPE=${config.dtype} needs ${file}, which does not exist`]);
  }
  if (folder.tokensMax > config.batchTokensMax) {
    throw new ConfigError([
      `INFERENCE_BATCH_TOKENS_MAX is below the model's ${folder.tokensMax} tokens`,
    ]);
  }
  const { batchMsMax, batchSequencesMax, batchTokensMax } = config;
  const { dimensions, pooling } = folder;
  return await WorkerPool.open(
    {
      workers: config.workers === 0 ? availableParallelism() : config.workers,
      size: { batchSequencesMax, batchTokensMax, dimensions },
      setup: { file, threads: config.threadsPerWorker, dimensions, pooling },
      batchMsMax,
    },
    deps,
  );
}
