// A worker thread with one ONNX Runtime session. `session.run` blocks the thread that calls it from start to end,
// so sessions never live on the main thread.

import { parentPort, workerData } from "node:worker_threads";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { assert } from "../../lib/assert.js";
import type { BatchShape, BatchSlot } from "./batch-slot.js";
import { normalize, poolCls, poolMean } from "./pooling.js";
import { sessionOptions } from "./session-options.js";

/** What the pool hands to a new worker. */
export interface WorkerSetup {
  readonly file: string;
  readonly threads: number;
  readonly dimensions: number;
  readonly pooling: "mean" | "cls";
  readonly slot: BatchSlot;
}

/** What a worker says: ready once, then done or failed for each batch. */
export type WorkerMessage =
  | { readonly kind: "ready" }
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly message: string };

const pooledOutput = "sentence_embedding";
const hiddenOutput = "last_hidden_state";

assert(parentPort !== null, "this file runs as a worker thread");
const port = parentPort;
const setup = workerData as WorkerSetup;
const session = await InferenceSession.create(setup.file, sessionOptions(setup.threads));
const isPooled = session.outputNames.includes(pooledOutput);
const inputs = createInputs(setup.slot.ids.length);

port.on("message", (shape: BatchShape) => {
  run(shape).then(
    () => say({ kind: "done" }),
    (error: unknown) => say({ kind: "failed", message: String(error) }),
  );
});
say({ kind: "ready" });

function say(message: WorkerMessage): void {
  port.postMessage(message);
}

async function run(shape: BatchShape): Promise<void> {
  const { slot } = setup;
  const needsHidden = !isPooled || slot.normalize.subarray(0, shape.sequences).includes(0);
  const output = needsHidden ? hiddenOutput : pooledOutput;
  const results = await session.run(inputs.feeds(shape), [output]);
  const data = results[output]?.data;
  assert(data instanceof Float32Array, `the model has no float32 output ${output}`);
  if (needsHidden) pool(data, shape);
  else slot.vectors.set(data);
}

function pool(hidden: Float32Array, { sequences, longest }: BatchShape): void {
  const { dimensions, pooling, slot } = setup;
  for (let row = 0; row < sequences; row += 1) {
    const tokens = hidden.subarray(row * longest * dimensions, (row + 1) * longest * dimensions);
    const vector = slot.vectors.subarray(row * dimensions, (row + 1) * dimensions);
    if (pooling === "cls") poolCls(tokens, vector);
    else poolMean(tokens, slot.tokenCounts[row] as number, vector);
    if (slot.normalize[row] === 1) normalize(vector);
  }
}

/** Buffers of the worker's own, because ONNX Runtime does not take shared memory; reused by every batch. */
function createInputs(tokensMax: number) {
  const ids = new BigInt64Array(tokensMax);
  const mask = new BigInt64Array(tokensMax);
  const types = new BigInt64Array(tokensMax);
  // Ids fit 32 bits: writing the low half of each int64 avoids making a BigInt for each token.
  const idsLow = new Int32Array(ids.buffer);
  const maskLow = new Int32Array(mask.buffer);
  return {
    feeds({ sequences, longest }: BatchShape) {
      const size = sequences * longest;
      for (let i = 0; i < size; i += 1) idsLow[2 * i] = setup.slot.ids[i] as number;
      for (let row = 0; row < sequences; row += 1) {
        const tokenCount = setup.slot.tokenCounts[row] as number;
        for (let i = 0; i < longest; i += 1)
          maskLow[2 * (row * longest + i)] = i < tokenCount ? 1 : 0;
      }
      const tensor = (values: BigInt64Array) =>
        new Tensor("int64", values.subarray(0, size), [sequences, longest]);
      const all = {
        input_ids: tensor(ids),
        attention_mask: tensor(mask),
        token_type_ids: tensor(types),
      };
      return Object.fromEntries(
        Object.entries(all).filter(([name]) => session.inputNames.includes(name)),
      );
    },
  };
}
