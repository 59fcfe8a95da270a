// The `openai` SDK, unmodified.

import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
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

  test("sends token ids in place of texts", async () => {
    const { data } = await openai.embeddings.create({ model, input: "hello world" });
    const ids = [101, 7592, 2088, 102];
    const alone = await openai.embeddings.create({ model, input: ids });
    const listed = await openai.embeddings.create({ model, input: [[101, 102], ids] });
    deepEqual(alone.data[0]?.embedding, data[0]?.embedding);
    deepEqual(listed.data[1]?.embedding, data[0]?.embedding);
    equal(alone.usage.prompt_tokens, 4);
  });

  test("lists the models and finds one by its name", async () => {
    const ids: string[] = [];
    for await (const { id } of openai.models.list()) ids.push(id);
    deepEqual(ids, [`sentence-transformers/${model}`]);
    for (const id of [model, ids[0] ?? ""]) {
      const found = await openai.models.retrieve(id);
      equal(found.id, ids[0]);
      equal(found.object, "model");
    }
    await rejects(openai.models.retrieve("nobody/nothing"), OpenAI.NotFoundError);
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
      await rejects(openai.embeddings.create({ model, input }), (error) => {
        ok(error instanceof OpenAI.BadRequestError);
        deepEqual([error.type, error.param, error.code], ["invalid_request_error", "input", null]);
        return true;
      });
    }
    const negative = openai.embeddings.create({ model, input: "a", dimensions: -1 });
    await rejects(negative, /-1 is less than the minimum of 1 - 'dimensions'/);
    await rejects(openai.get("/nowhere"), (error) => {
      ok(error instanceof OpenAI.NotFoundError);
      equal(error.code, "unknown_url");
      return true;
    });
  });
});

test("the openai SDK waits as it is told when a limit refuses", { timeout: 120_000 }, async () => {
  const mesh = await startMesh("one", {
    RATELIMIT_EXEMPT_LOOPBACK: "false",
    RATELIMIT_REQUESTS_PER_SECOND: "2",
    RATELIMIT_REQUESTS_BURST: "1",
  });
  try {
    const statuses: number[] = [];
    const openai = new OpenAI({
      baseURL: `${mesh.url}/v1`,
      apiKey: "none",
      maxRetries: 4,
      fetch: async (url, init) => {
        const response = await fetch(url, init);
        statuses.push(response.status);
        if (response.status === 429) ok(response.headers.get("retry-after-ms"));
        return response;
      },
    });
    for (const input of ["a", "b", "c"]) await openai.embeddings.create({ model, input });
    ok(statuses.includes(429));
    equal(statuses.filter((status) => status === 200).length, 3);
    const impatient = openai.withOptions({ maxRetries: 0 });
    const refused = Array.from({ length: 3 }, () =>
      impatient.embeddings.create({ model, input: "d" }),
    );
    await rejects(Promise.all(refused), (error) => {
      ok(error instanceof OpenAI.RateLimitError);
      equal(error.code, "rate_limit_exceeded");
      equal(error.headers.get("retry-after"), "1");
      match(error.headers.get("ratelimit") ?? "", /"requests-per-ip";r=0;t=1/);
      equal(error.headers.get("x-ratelimit-remaining-requests"), "0");
      match(error.headers.get("x-ratelimit-reset-requests") ?? "", /^[\d.]+m?s$/);
      return true;
    });
  } finally {
    await mesh.stop();
  }
});
