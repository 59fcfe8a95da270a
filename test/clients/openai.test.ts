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

  test("reads the same float32 from base64, its default, and from numbers", async () => {
    const input = "the same text";
    const byDefault = await openai.embeddings.create({ model, input });
    const asNumbers = await openai.embeddings.create({ model, input, encoding_format: "float" });
    equal(byDefault.data[0]?.embedding.length, 384);
    deepEqual(
      Float32Array.from(asNumbers.data[0]?.embedding ?? []),
      Float32Array.from(byDefault.data[0]?.embedding ?? []),
    );
  });

  test("gets a vector for each input, in order, and the tokens of all", async () => {
    const input = ["one", "two words", "and a third one"];
    const together = await openai.embeddings.create({ model, input });
    equal(together.model, `sentence-transformers/${model}`);
    deepEqual(together.usage, { prompt_tokens: 13, total_tokens: 13 });
    deepEqual(
      together.data.map(({ index }) => index),
      [0, 1, 2],
    );
    for (const [index, text] of input.entries()) {
      const alone = await openai.embeddings.create({ model, input: text });
      const pair = [together.data[index]?.embedding, alone.data[0]?.embedding];
      ok(cosine(pair[0] ?? [], pair[1] ?? []) > 0.999_999, text);
    }
  });

  test("gets the vectors of the fp32 model", { skip: goldenMissing }, async () => {
    const golden = readGoldenEmbeddings();
    const { data } = await openai.embeddings.create({
      model,
      input: golden.map(({ text }) => text),
    });
    for (const [index, { embedding }] of golden.entries()) {
      const similarity = cosine(embedding, data[index]?.embedding ?? []);
      ok(similarity >= 0.985, `${similarity} for line ${index + 1}`);
    }
  });

  test("gets as many dimensions as it asks for", async () => {
    const { data } = await openai.embeddings.create({ model, input: "a", dimensions: 16 });
    equal(data[0]?.embedding.length, 16);
    ok(Math.abs(Math.hypot(...(data[0]?.embedding ?? [])) - 1) < 1e-6);
  });

  test("throws its own errors", async () => {
    const unknown = openai.embeddings.create({ model: "text-embedding-unknown", input: "a" });
    await rejects(unknown, (error) => {
      ok(error instanceof OpenAI.NotFoundError);
      equal(error.code, "model_not_found");
      ok(error.requestID);
      return true;
    });
    for (const input of ["", [], ["a", ""]]) {
      await rejects(openai.embeddings.create({ model, input }), OpenAI.BadRequestError);
    }
  });
});
