// The `openai` SDK, unmodified.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import OpenAI from "openai";
import { cosine, goldenMissing, readGoldenEmbeddings } from "../support/golden.js";
import { type Mesh, startMesh } from "../support/mesh-process.js";

const model = "all-MiniLM-L6-v2";

describe("the openai SDK", { timeout: 120_000 }, () => {
  let mesh: Mesh;
  let openai: OpenAI;
  before(async () => {
    mesh = await startMesh("one");
    openai = new OpenAI({ baseURL: `${mesh.url}/v1`, apiKey: "none", maxRetries: 0 });
  });
  after(() => mesh.stop());

  test("reads its default, base64, and floats alike", async () => {
    const input = ["one", "two words"];
    const byDefault = await openai.embeddings.create({ model, input });
    const asFloats = await openai.embeddings.create({ model, input, encoding_format: "float" });
    deepEqual(
      byDefault.data.map(({ index }) => index),
      [0, 1],
    );
    for (const [index, { embedding }] of byDefault.data.entries()) {
      equal(embedding.length, 384);
      ok(cosine(embedding, asFloats.data[index]?.embedding ?? []) > 0.999_999);
    }
    deepEqual(byDefault.usage, { prompt_tokens: 7, total_tokens: 7 });
  });

  test("gets the vectors of the fp32 model", { skip: goldenMissing }, async () => {
    const golden = readGoldenEmbeddings().slice(0, 20);
    const { data } = await openai.embeddings.create({
      model,
      input: golden.map(({ text }) => text),
    });
    for (const [index, { embedding }] of golden.entries()) {
      ok(cosine(embedding, data[index]?.embedding ?? []) >= 0.985);
    }
  });

  test("gets as many dimensions as it asks for", async () => {
    const { data } = await openai.embeddings.create({ model, input: "a", dimensions: 16 });
    equal(data[0]?.embedding.length, 16);
  });

  test("throws its own errors", async () => {
    const unknown = openai.embeddings.create({ model: "text-embedding-unknown", input: "a" });
    await rejects(unknown, (error) => {
      ok(error instanceof OpenAI.NotFoundError);
      equal(error.code, "model_not_found");
      ok(error.requestID);
      return true;
    });
    await rejects(openai.embeddings.create({ model, input: "" }), OpenAI.BadRequestError);
  });
});
