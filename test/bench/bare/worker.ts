// One session of the bare server: a batch in, its vectors out.

import { parentPort, workerData } from "node:worker_threads";
import { InferenceSession } from "onnxruntime-node";
import { sessionOptions } from "../../../services/inference/workers/session-options.js";
import type { Batch } from "../limit/batches.js";
import { toFeeds } from "../limit/feeds.js";

const file = workerData as string;
const session = await InferenceSession.create(file, sessionOptions(file, 1));

parentPort?.on("message", async (batch: Batch) => {
  const { sentence_embedding: output } = await session.run(toFeeds(batch), ["sentence_embedding"]);
  parentPort?.postMessage({ vectors: output?.data, dimensions: output?.dims[1] });
});
parentPort?.postMessage("ready");
