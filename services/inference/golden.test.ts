// The real models, from text to vector, by the services as callers see them.

import { deepEqual, equal, ok } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { Registry } from "prom-client";
import { InferenceService } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { readConfig } from "../../lib/config.js";
import { ModelCatalog } from "../../lib/model-catalog.js";
import { packageRoot } from "../../lib/package-root.js";
import type { Client } from "../../lib/rpc/call.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { callContext } from "../../test/support/call-context.js";
import { cosine, goldenMissing, readGoldenEmbeddings } from "../../test/support/golden.js";
import { inferenceConfig, loadDeps } from "../../test/support/inference.js";
import { seeded } from "../../test/support/random.js";
import { tokenizerSchema } from "../tokenizer/config.js";
import { createTokenizer } from "../tokenizer/service.js";
import { Repository } from "./models/repository.js";
import { createInference } from "./service.js";

type Inference = Client<typeof InferenceService>;

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
  const bindings = [
    createTokenizer(config, { catalog: new ModelCatalog(config), registry: new Registry() }),
  ];
  const channel = createLocalChannel({ role: "tokenizer", bindings, interceptors: [] });
  const { encodings } = await channel
    .client(TokenizerService)
    .encode({ texts: [...texts] }, callContext());
  return encodings.map(({ ids }) => ({ ids }));
}

async function openInference(
  env: Readonly<Record<string, string>>,
): Promise<{ inference: Inference; close(): Promise<void> }> {
  const config = inferenceConfig(env);
  const catalog = new ModelCatalog(config);
  const repository = new Repository(catalog, config, { ...loadDeps(), random: Math.random });
  await repository.load("");
  const bindings = [createInference(config, repository)];
  const channel = createLocalChannel({ role: "inference", bindings, interceptors: [] });
  return { inference: channel.client(InferenceService), close: () => repository.close() };
}

async function vectorsOf(
  inference: Inference,
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
  let inference: Inference;
  let close = async (): Promise<void> => {};
  before(async () => {
    ({ inference, close } = await openInference({ INFERENCE_WORKERS: "2" }));
  });
  after(() => close());

  test("vectors are those of the fp32 model on every golden line", {
    skip: goldenMissing,
  }, async () => {
    const golden = readGoldenEmbeddings();
    const vectors = await vectorsOf(inference, await tokenize(golden.map(({ text }) => text)));
    const cosines = golden.map(({ embedding }, row) => cosine(embedding, vectors[row] ?? []));
    for (const [row, value] of cosines.entries()) {
      ok(value >= 0.997, `${value}: ${golden[row]?.text.slice(0, 60)}`);
    }
    const mean = cosines.reduce((sum, value) => sum + value, 0) / cosines.length;
    ok(mean >= 0.999, `mean ${mean}`);
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

  test("its sentiment head tells praise from blame", async () => {
    const texts = ["I love this, it is wonderful", "terrible, a waste of money"];
    const sequences = await tokenize(texts);
    const { labels, scores } = await inference.classify({ sequences }, callContext());
    deepEqual(labels, ["NEGATIVE", "POSITIVE"]);
    const [badOfPraise = 1, goodOfPraise = 0, badOfBlame = 0, goodOfBlame = 1] = scores;
    ok(goodOfPraise > 0.6 && badOfBlame > 0.6, String(scores));
    ok(Math.abs(badOfPraise + goodOfPraise - 1) < 1e-6);
    ok(Math.abs(badOfBlame + goodOfBlame - 1) < 1e-6);
  });

  test("the vectors of tokens have the mean that is the vector of the text", async () => {
    const sequences = await tokenize(["a river of paper"]);
    const { vectors, dimensions } = await inference.embedTokens({ sequences }, callContext());
    const tokens = new Float32Array((vectors[0] ?? new Uint8Array()).slice().buffer);
    equal(tokens.length, (sequences[0]?.ids.length ?? 0) * dimensions);
    const mean = new Float32Array(dimensions).map((_, i) =>
      tokens.reduce((sum, value, at) => (at % dimensions === i ? sum + value : sum), 0),
    );
    const [vector = new Float32Array()] = await vectorsOf(inference, sequences);
    ok(cosine(mean, vector) > 0.999_99);
  });
});

test("the fp32 model gives the golden vectors", {
  skip: float32Missing || goldenMissing,
}, async () => {
  const { inference, close } = await openInference({ DTYPE: "fp32", MODEL_PATH: sharedModel });
  try {
    const golden = readGoldenEmbeddings();
    const vectors = await vectorsOf(inference, await tokenize(golden.map(({ text }) => text)));
    for (const [row, { embedding, text }] of golden.entries()) {
      const value = cosine(embedding, vectors[row] ?? []);
      ok(value >= 0.9999, `${value}: ${text.slice(0, 60)}`);
    }
    const { models } = await inference.listModels({}, callContext());
    deepEqual([models[0]?.dtype, models[0]?.pooling], ["float32", "mean"]);
  } finally {
    await close();
  }
});
