// The real model, from text to vector, by the services as callers see them.

import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Registry } from "prom-client";
import { InferenceService } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { systemClock } from "../../lib/clock.js";
import { ConfigError, readConfig } from "../../lib/config.js";
import { Deferred } from "../../lib/defer.js";
import { createLog } from "../../lib/log.js";
import { readModelFolder } from "../../lib/model-folder.js";
import { packageRoot } from "../../lib/package-root.js";
import type { Client } from "../../lib/rpc/call.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { callContext } from "../../test/support/call-context.js";
import { cosine, goldenMissing, readGoldenEmbeddings } from "../../test/support/golden.js";
import { seeded } from "../../test/support/random.js";
import { tokenizerSchema } from "../tokenizer/config.js";
import { createTokenizer } from "../tokenizer/service.js";
import { BatchRunner } from "./batch-runner.js";
import { inferenceSchema } from "./config.js";
import { createInferenceMetrics } from "./metrics.js";
import { openOnnxModel } from "./onnx-model.js";
import { createInference } from "./service.js";

/** The largest difference between two vectors of one text; the model itself repeats to 3e-8. */
const sameWithin = 1e-6;
const sharedModel = join(packageRoot, "../shared/models/all-MiniLM-L6-v2");
const float32Missing = existsSync(join(sharedModel, "onnx/model.onnx"))
  ? false
  : "../shared/models/all-MiniLM-L6-v2/onnx/model.onnx is not there";

const words = "the river paper of a mesh token vector cold light, stone running über 東京 42".split(
  " ",
);

/** Texts to token ids, by the tokenizer service. */
async function tokenize(texts: readonly string[]): Promise<{ ids: number[] }[]> {
  const config = readConfig(tokenizerSchema, {});
  const folder = readModelFolder(config.modelPath, config.modelId);
  const bindings = [createTokenizer(config, folder)];
  const channel = createLocalChannel({ role: "tokenizer", bindings, interceptors: [] });
  const { encodings } = await channel
    .client(TokenizerService)
    .encode({ texts: [...texts] }, callContext());
  return encodings.map(({ ids }) => ({ ids }));
}

async function openInference(
  env: NodeJS.ProcessEnv,
  deferred: Deferred,
): Promise<Client<typeof InferenceService>> {
  const config = readConfig(inferenceSchema, env);
  const folder = readModelFolder(config.modelPath, config.modelId);
  const metrics = createInferenceMetrics(new Registry());
  const log = createLog("silent");
  const deps = { clock: systemClock, log, metrics, defer: deferred.defer };
  const model = await openOnnxModel(config, folder, deps);
  const runner = new BatchRunner(config, { model, dimensions: folder.dimensions, metrics });
  const bindings = [createInference(config, { folder, runner })];
  return createLocalChannel({ role: "inference", bindings, interceptors: [] }).client(
    InferenceService,
  );
}

async function vectorsOf(
  inference: Client<typeof InferenceService>,
  sequences: readonly { ids: number[] }[],
  normalize = true,
): Promise<Float32Array[]> {
  const request = { sequences: [...sequences], normalize };
  const { vectors, dimensions } = await inference.embed(request, callContext());
  equal(dimensions, 384);
  equal(vectors.length, sequences.length * dimensions * 4);
  const values = new Float32Array(vectors.slice().buffer);
  return sequences.map((_, row) => values.subarray(row * dimensions, (row + 1) * dimensions));
}

/** NaN, which is within nothing, when the lengths differ or a vector is missing. */
function distance(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (a === undefined || b === undefined || a.length !== b.length) return Number.NaN;
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
}

describe("the int8 model", () => {
  const deferred = new Deferred();
  let inference: Client<typeof InferenceService>;
  before(async () => {
    inference = await openInference({ INFERENCE_WORKERS: "2" }, deferred);
  });
  after(() => deferred.releaseAll());

  test("vectors are those of the fp32 model on every golden line", {
    skip: goldenMissing,
  }, async () => {
    const golden = readGoldenEmbeddings();
    const vectors = await vectorsOf(inference, await tokenize(golden.map(({ text }) => text)));
    const cosines = golden.map(({ embedding }, row) => cosine(embedding, vectors[row] ?? []));
    for (const [row, value] of cosines.entries()) {
      ok(value >= 0.985, `${value}: ${golden[row]?.text.slice(0, 60)}`);
    }
    const mean = cosines.reduce((sum, value) => sum + value, 0) / cosines.length;
    ok(mean >= 0.995, `mean ${mean}`);
  });

  for (const normalize of [true, false]) {
    test(`with normalize ${normalize} a vector is the same whatever shares its batch`, async (t) => {
      const random = seeded(t);
      const texts = Array.from({ length: 60 }, () =>
        Array.from({ length: 1 + random.int(40) }, () => random.pick(words)).join(" "),
      );
      const sequences = await tokenize(texts);
      const alone: Float32Array[] = [];
      for (const sequence of sequences) {
        alone.push(...(await vectorsOf(inference, [sequence], normalize)));
      }
      for (let round = 0; round < 6; round += 1) {
        const rows = Array.from({ length: 1 + random.int(24) }, () => random.int(texts.length));
        const picked = rows.map((row) => sequences[row] as { ids: number[] });
        // A call beside it fills the same batches; the other normalization must not leak.
        const [together] = await Promise.all([
          vectorsOf(inference, picked, normalize),
          vectorsOf(inference, picked.slice(0, 3), !normalize),
        ]);
        for (const [position, row] of rows.entries()) {
          const far = distance(together[position], alone[row]);
          ok(far <= sameWithin, `${far}: ${texts[row]}`);
        }
      }
    });
  }

  test("normalize changes the length of a vector and not its direction", async () => {
    const sequences = await tokenize(["hello world", "a river of paper"]);
    const unit = await vectorsOf(inference, sequences);
    const raw = await vectorsOf(inference, sequences, false);
    for (const [row, vector] of unit.entries()) {
      ok(Math.abs(Math.hypot(...vector) - 1) < 1e-5);
      ok(Math.hypot(...(raw[row] ?? [])) > 1.5);
      ok(cosine(vector, raw[row] ?? []) > 0.999_99);
    }
  });

  test("the longest sequence and a full batch of them run", async () => {
    const ids = [101, ...new Array<number>(254).fill(7592), 102];
    const [first, ...others] = await vectorsOf(inference, new Array(9).fill({ ids }));
    for (const vector of others) ok(distance(vector, first) <= sameWithin);
  });
});

test("the float32 model gives the golden vectors", {
  skip: float32Missing || goldenMissing,
}, async () => {
  const deferred = new Deferred();
  try {
    const env = { DTYPE: "float32", MODEL_PATH: sharedModel, INFERENCE_WORKERS: "1" };
    const inference = await openInference(env, deferred);
    const golden = readGoldenEmbeddings();
    const vectors = await vectorsOf(inference, await tokenize(golden.map(({ text }) => text)));
    for (const [row, { embedding, text }] of golden.entries()) {
      const value = cosine(embedding, vectors[row] ?? []);
      ok(value >= 0.9999, `${value}: ${text.slice(0, 60)}`);
    }
    const { models } = await inference.listModels({}, callContext());
    deepEqual([models[0]?.dtype, models[0]?.pooling], ["float32", "mean"]);
  } finally {
    await deferred.releaseAll();
  }
});

test("weights that are not there, or longer texts than a batch holds, are a bad configuration", async () => {
  for (const [env, problem] of [
    [
      { DTYPE: "float32", MODEL_PATH: "models/all-MiniLM-L6-v2" },
      /DTYPE=float32 needs .*model\.onnx/,
    ],
    [{ INFERENCE_BATCH_TOKENS_MAX: "255" }, /below the model's 256 tokens/],
  ] as const) {
    const path = "MODEL_PATH" in env ? { MODEL_PATH: join(packageRoot, env.MODEL_PATH) } : {};
    const opening = openInference({ ...env, ...path }, new Deferred());
    await rejects(opening, (error) => {
      ok(error instanceof ConfigError);
      match(error.message, problem);
      return true;
    });
  }
});
