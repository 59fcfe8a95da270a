import { once } from "node:events";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { packageRoot } from "../../lib/package-root.js";
import type { LimitSetup } from "./limit-worker.js";
import { type Measurement, percentile } from "./measure.js";

const file = join(packageRoot, "models/all-MiniLM-L6-v2/onnx/model_int8.onnx");

/** The most this machine can do: one session on each core, in a loop over batches of equal length. */
export async function measureLimit(options: {
  readonly sequences: number;
  readonly tokens: number;
  readonly seconds: number;
}): Promise<Measurement> {
  const { sequences, tokens, seconds } = options;
  const setup: LimitSetup = { file, ...options };
  const workers = Array.from(
    { length: availableParallelism() },
    () => new Worker(new URL("./limit-worker.js", import.meta.url), { workerData: setup }),
  );
  await Promise.all(workers.map((worker) => once(worker, "message")));
  const results = workers.map(async (worker) => {
    worker.postMessage("go");
    const [latencies] = (await once(worker, "message")) as [number[]];
    await worker.terminate();
    return latencies;
  });
  const latencies = (await Promise.all(results)).flat().sort((a, b) => a - b);
  return {
    name: `bare onnxruntime, ${sequences} x ${tokens} tokens, ${workers.length} sessions (the limit)`,
    textsPerSecond: (latencies.length * sequences) / seconds,
    p50: percentile(latencies, 0.5),
    p95: percentile(latencies, 0.95),
    p99: percentile(latencies, 0.99),
    failures: 0,
  };
}
