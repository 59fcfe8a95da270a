// One session of the bare loop: batches of token ids, no queue, no tokenizer, no network.

import { parentPort, workerData } from "node:worker_threads";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { sessionOptions } from "../../services/inference/session-options.js";

export interface LimitSetup {
  readonly file: string;
  readonly sequences: number;
  readonly tokens: number;
  readonly seconds: number;
}

const { file, sequences, tokens, seconds } = workerData as LimitSetup;
const session = await InferenceSession.create(file, sessionOptions(1));
const size = sequences * tokens;
const shape = [sequences, tokens];
const ids = BigInt64Array.from({ length: size }, (_, index) =>
  BigInt(1_037 + ((index * 31) % 900)),
);
const feeds = {
  input_ids: new Tensor("int64", ids, shape),
  attention_mask: new Tensor("int64", new BigInt64Array(size).fill(1n), shape),
  token_type_ids: new Tensor("int64", new BigInt64Array(size), shape),
};
const outputs = ["sentence_embedding"];
for (let i = 0; i < 10; i += 1) await session.run(feeds, outputs);

parentPort?.once("message", async () => {
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1_000;
  for (let sentAt = 0; sentAt < end; ) {
    sentAt = performance.now();
    await session.run(feeds, outputs);
    latencies.push(performance.now() - sentAt);
  }
  parentPort?.postMessage(latencies);
});
parentPort?.postMessage("ready");
