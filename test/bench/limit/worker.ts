// One session of the bare loop: batches of token ids, no queue, no tokenizer, no network.

import { parentPort, workerData } from "node:worker_threads";
import { InferenceSession, type Tensor } from "onnxruntime-node";
import { sessionOptions } from "../../../services/inference/workers/session-options.js";
import type { Batch } from "./batches.js";
import { toFeeds } from "./feeds.js";

export interface LimitSetup {
  readonly file: string;
  readonly threads: number;
}

/** A run that several workers share: each takes the next batch, over and over, until whole passes fill the time. */
export interface LimitRun {
  readonly batches: readonly Batch[];
  readonly seconds: number;
  /** Shared int32: the number of the next batch, and the number to stop at, 0 while that is unknown. */
  readonly turns: SharedArrayBuffer;
}

const { file, threads } = workerData as LimitSetup;
const session = await InferenceSession.create(file, sessionOptions(file, threads));
const outputs = session.outputNames.includes("sentence_embedding")
  ? ["sentence_embedding"]
  : ["last_hidden_state"];

parentPort?.on("message", async ({ batches, seconds, turns }: LimitRun) => {
  const feeds = batches.map(toFeeds);
  const [next, stop] = [0, 1];
  const state = new Int32Array(turns);
  const until = performance.now() + seconds * 1_000;
  for (;;) {
    const turn = Atomics.add(state, next, 1);
    const isPassOver = turn > 0 && turn % feeds.length === 0;
    if (isPassOver && performance.now() >= until) Atomics.compareExchange(state, stop, 0, turn);
    const stopAt = Atomics.load(state, stop);
    if (stopAt > 0 && turn >= stopAt) break;
    await session.run(feeds[turn % feeds.length] as Record<string, Tensor>, outputs);
  }
  parentPort?.postMessage("done");
});
parentPort?.postMessage("ready");
