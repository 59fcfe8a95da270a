import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { ModelSpec } from "../../../lib/model-spec.js";
import { inferenceConfig } from "../../../test/support/inference.js";
import { schedulerLimits, slotSize, splitsOf } from "./limits.js";

const text = {
  path: "",
  files: {},
  tokensMax: 256,
  vocabularySize: 1_000,
  prompts: {},
  defaultPrompt: undefined,
};
const embedding: ModelSpec = {
  ...text,
  task: "embedding",
  hiddenSize: 4,
  dimensions: 3,
  pooling: "mean",
  dense: [],
  heads: [],
};
const tensors: ModelSpec = { task: "tensors", path: "", files: {} };

test("batches are small on CPUs and large on GPUs", () => {
  const config = inferenceConfig();
  const { batchSequencesMax, batchTokensMax, batchOverheadTokens } = schedulerLimits(
    config,
    embedding,
    "cpu",
  );
  deepEqual([batchSequencesMax, batchTokensMax, batchOverheadTokens], [16, 1_024, 8]);
  for (const provider of ["cuda", "dml", "coreml"]) {
    const limits = schedulerLimits(config, embedding, provider);
    deepEqual(
      [limits.batchSequencesMax, limits.batchTokensMax, limits.batchOverheadTokens],
      [64, 16_384, 2_048],
    );
  }
});

test("settings go before what fits the device", () => {
  const config = inferenceConfig({
    INFERENCE_BATCH_SEQUENCES_MAX: "1",
    INFERENCE_BATCH_TOKENS_MAX: "300",
    INFERENCE_BATCH_OVERHEAD_TOKENS: "5",
    INFERENCE_QUEUE_MAX: "7",
    INFERENCE_QUEUE_TIMEOUT_MS: "11",
    INFERENCE_BULK_WAIT_MS: "0",
  });
  deepEqual(schedulerLimits(config, embedding, "cuda"), {
    batchSequencesMax: 1,
    batchTokensMax: 300,
    batchOverheadTokens: 5,
    queueMax: 7,
    queueMsMax: 11,
    bulkWaitMsMax: 0,
  });
});

test("the longest sequence of a model always fits into a batch", () => {
  const config = inferenceConfig({ INFERENCE_BATCH_TOKENS_MAX: "100" });
  equal(schedulerLimits(config, embedding, "cpu").batchTokensMax, 256);
  const long = { ...embedding, tokensMax: 8_192 };
  equal(schedulerLimits(inferenceConfig(), long, "cpu").batchTokensMax, 8_192);
  equal(schedulerLimits(config, tensors, "cpu").batchTokensMax, 100);
});

const heads = [{ name: "h", file: "", labels: Array.from({ length: 9_999 }, (_, i) => `${i}`) }];
const labels = ["a", "b", "c"];
for (const [what, spec, resultsMax] of [
  ["token vectors of a full batch", embedding, 1_024 * 4],
  ["the scores of the widest head", { ...embedding, heads }, 16 * 9_999],
  ["vectors that Dense made longer", { ...embedding, dimensions: 2_000 }, 16 * 2_000],
  ["logits", { ...text, task: "classification", labels, isMultiLabel: false }, 16 * 3],
  ["ids and weights of the vocabulary", { ...text, task: "sparse" }, 16 * 1_000 * 2],
  ["nothing of tensors, which do not pass here", tensors, 0],
] as const satisfies readonly (readonly [string, ModelSpec, number])[]) {
  test(`a slot has room for ${what}`, () => {
    const size = slotSize(spec, schedulerLimits(inferenceConfig(), spec, "cpu"));
    deepEqual(size, { batchSequencesMax: 16, batchTokensMax: 1_024, resultsMax });
  });
}

for (const [what, workers, threadsPerWorker, provider, cores, expected] of [
  ["measured on two cores", 0, 0, "cpu", 2, "2x1 1x2"],
  ["measured on four cores", 0, 0, "cpu", 4, "4x1 2x2 1x4"],
  ["measured on six cores", 0, 0, "cpu", 6, "6x1 3x2 1x4"],
  ["measured on 64 cores", 0, 0, "cpu", 64, "64x1 32x2 16x4"],
  ["one way on one core", 0, 0, "cpu", 1, "1x1"],
  ["as many threads as workers leave", 3, 0, "cpu", 8, "3x2"],
  ["a thread each for more workers than cores", 5, 0, "cpu", 2, "5x1"],
  ["as many workers as threads leave", 0, 3, "cpu", 8, "2x3"],
  ["one worker with more threads than cores", 0, 16, "cpu", 8, "1x16"],
  ["what the settings say", 3, 5, "cpu", 2, "3x5"],
  ["one worker on a GPU", 0, 0, "cuda", 64, "1x1"],
  ["as many workers on a GPU as the settings say", 2, 1, "cuda", 64, "2x1"],
] as const) {
  test(`the machine is shared: ${what}`, () => {
    const splits = splitsOf({ workers, threadsPerWorker }, provider, cores);
    equal(splits.map((split) => `${split.workers}x${split.threads}`).join(" "), expected);
  });
}

test("the cores of this machine are what is shared when nobody says otherwise", () => {
  const [{ workers, threads }] = splitsOf({ workers: 0, threadsPerWorker: 0 }, "cpu");
  ok(workers >= 1);
  equal(threads, 1);
});
