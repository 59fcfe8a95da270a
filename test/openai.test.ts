// The routes of OpenAI, and what vLLM and infinity have beside them, in one process and as four.

import { deepEqual, equal, match, notDeepEqual, ok } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { post } from "./support/clients.js";
import { cosine } from "./support/golden.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const model = "sentence-transformers/all-MiniLM-L6-v2";

interface Embeddings {
  readonly data: { readonly index: number; readonly embedding: number[] | string }[];
  readonly model: string;
  readonly usage: { readonly prompt_tokens: number };
}

interface Failed {
  readonly error: Readonly<Record<"message" | "type" | "param" | "code", string | null>>;
}

for (const kind of kinds) {
  describe(`the mesh as ${kind}`, { timeout: 300_000 }, () => {
    let mesh: Mesh;
    before(async () => {
      mesh = await startMesh(kind, {
        RATELIMIT_EXEMPT_LOOPBACK: "false",
        RATELIMIT_REQUESTS_PER_SECOND: "1000",
        RATELIMIT_REQUESTS_BURST: "2000",
        RATELIMIT_TOKENS_PER_MINUTE: "60000",
      });
    });
    after(() => mesh.stop());

    const embed = async (body: object): Promise<Embeddings> => {
      const { status, json } = await post(`${mesh.url}/v1/embeddings`, body);
      equal(status, 200, JSON.stringify(json));
      return json as Embeddings;
    };
    const numbersOf = async (body: object): Promise<number[]> =>
      (await embed(body)).data[0]?.embedding as number[];
    const bytesOf = async (body: object): Promise<Buffer> => {
      const { data } = await embed({ ...body, encoding_format: "base64" });
      return Buffer.from(data[0]?.embedding as string, "base64");
    };
    const refuse = async (body: object, status = 400, path = "/v1/embeddings") => {
      const answer = await post(`${mesh.url}${path}`, body);
      equal(answer.status, status, JSON.stringify(answer.json));
      const { error } = answer.json as Failed;
      deepEqual(Object.keys(error), ["message", "type", "param", "code"]);
      return error;
    };

    test("null is as good as nothing for every optional field", async () => {
      const names = ["model", "encoding_format", "dimensions", "user", "priority", "embed_dtype"];
      const more = ["truncate_prompt_tokens", "input_type", "messages", "request_id", "normalize"];
      const nulls = Object.fromEntries([...names, ...more].map((name) => [name, null]));
      deepEqual(await numbersOf({ input: "a", ...nulls }), await numbersOf({ input: "a" }));
    });

    test("token ids are taken like the text they stand for", async () => {
      const ids = [101, 7592, 2088, 102];
      const [text, alone, listed] = await Promise.all([
        embed({ input: "hello world" }),
        embed({ input: ids }),
        embed({ input: [ids, ids] }),
      ]);
      deepEqual(alone.data, text.data);
      deepEqual(listed.data[1]?.embedding, text.data[0]?.embedding);
      equal(alone.usage.prompt_tokens, 4);
    });

    test("2,048 inputs are answered, and one more is refused", async () => {
      const input = Array.from({ length: 2_048 }, (_, index) => `${index % 10}`);
      const { data, usage } = await embed({ input, dimensions: 2 });
      equal(data.length, 2_048);
      equal(usage.prompt_tokens, 3 * 2_048);
      const { param, message } = await refuse({ input: [...input, "a"] });
      equal(param, "input");
      match(message ?? "", /2049 > maximum allowed batch size 2048/);
    });

    test("vectors come in the types that vLLM and infinity have", async () => {
      const input = "quantised";
      const exact = await numbersOf({ input });
      const half = await numbersOf({ input, embed_dtype: "float16" });
      ok(cosine(half, exact) > 0.999_999);
      notDeepEqual(half, exact);
      const int8 = await numbersOf({ input, embed_dtype: "int8" });
      ok(int8.every((value) => Number.isInteger(value) && Math.abs(value) <= 127));
      ok(cosine(int8, exact) > 0.999);
      const packed = await numbersOf({ input, embed_dtype: "ubinary" });
      equal(packed.length, 48);
      deepEqual(
        packed.flatMap((byte) => [...byte.toString(2).padStart(8, "0")]),
        exact.map((value) => (value > 0 ? "1" : "0")),
      );
      deepEqual([...(await bytesOf({ input, embed_dtype: "ubinary" }))], packed);
      equal((await bytesOf({ input, embed_dtype: "bfloat16" })).length, 768);
      const little = await bytesOf({ input });
      const big = await bytesOf({ input, endianness: "big" });
      equal(big.readFloatBE(4), little.readFloatLE(4));
      deepEqual(
        Array.from({ length: 384 }, (_, at) => little.readFloatLE(4 * at)),
        exact.map(Math.fround),
      );
    });

    test("vLLM's words for what is read of a text are obeyed", async () => {
      const input = "one two three four";
      const first = await numbersOf({ input: "one two" });
      deepEqual(await numbersOf({ input, truncate_prompt_tokens: 4 }), first);
      const last = await numbersOf({ input: "three four" });
      const left = { truncate_prompt_tokens: 4, truncation_side: "left" };
      deepEqual(await numbersOf({ input, ...left }), last);
      const whole = await numbersOf({ input });
      deepEqual(await numbersOf({ input, truncate_prompt_tokens: -1 }), whole);
      const bare = await embed({ input, add_special_tokens: false });
      equal(bare.usage.prompt_tokens, 4);
      ok(Math.abs(Math.hypot(...(await numbersOf({ input, normalize: false }))) - 1) > 0.01);
      equal((await numbersOf({ input, input_type: "query", priority: 5, user: "me" })).length, 384);
    });

    test("what cannot be honoured is refused by the caller's name for it", async () => {
      const cases: [object, string, RegExp][] = [
        [{ dimensions: -1 }, "dimensions", /^-1 is less than the minimum of 1 - 'dimensions'$/],
        [{ dimensions: 385 }, "dimensions", /smaller than the maximum/],
        [{ input: ["a", ""] }, "input", /'input\[1\]': `input` cannot be empty/],
        [{ input: [] }, "input", /`input` cannot be empty/],
        [{ input: [101, 99_999_999] }, "input", /id 99999999 is outside the vocabulary/],
        [{ encoding_format: "hex" }, "encoding_format", /float/],
        [{ embed_dtype: "fp8_e4m3" }, "embed_dtype", /int8/],
        [{ truncate_prompt_tokens: 0 }, "truncate_prompt_tokens", /1 and above/],
        [{ truncate_prompt_tokens: 1 }, "truncate_prompt_tokens", /2 special tokens/],
        [{ input_type: "poem" }, "input_type", /must be one of/],
        [{ modality: "image" }, "modality", /only `text`/],
        [{ messages: [] }, "messages", /send `input`/],
        [{ request_id: "r" }, "request_id", /X-Request-Id/],
        [{ cache_salt: "s" }, "cache_salt", /not supported/],
      ];
      for (const [over, param, message] of cases) {
        const error = await refuse({ input: "a", ...over });
        deepEqual([error.param, error.type, error.code], [param, "invalid_request_error", null]);
        match(error.message ?? "", message);
      }
      equal((await refuse({ inputs: "a" })).param, "input");
    });

    test("an unknown model is not found, but where servers of one model have their path", async () => {
      const body = { input: "a", model: "text-embedding-3-small" };
      const error = await refuse(body, 404);
      deepEqual([error.param, error.code], ["model", "model_not_found"]);
      const alias = await post(`${mesh.url}/embeddings`, body);
      equal(alias.status, 200);
      equal((alias.json as Embeddings).model, model);
      equal((await embed({ input: "a", model: `${model}@1` })).model, model);
      equal((await refuse({ input: "a", model: `${model}@9` }, 404)).code, "model_not_found");
    });

    test("below /v1 every failure has OpenAI's shape", async () => {
      equal((await refuse({}, 404, "/v1/nothing")).code, "unknown_url");
      const get = await fetch(`${mesh.url}/v1/embeddings`);
      equal(get.status, 405);
      equal(get.headers.get("allow"), "POST");
      equal(((await get.json()) as Failed).error.type, "invalid_request_error");
      const broken = await post(`${mesh.url}/v1/embeddings`, "{");
      equal(broken.status, 400);
      match((broken.json as Failed).error.message ?? "", /JSON/);
      const plain = await post(`${mesh.url}/v1/embeddings`, "a", { "content-type": "text/plain" });
      equal(plain.status, 415);
      equal((plain.json as Failed).error.code, "unsupported_media_type");
      const large = await post(`${mesh.url}/v1/embeddings`, { input: "a".repeat(2_000_001) });
      equal(large.status, 413);
      ok((large.json as Failed).error.message);
    });

    test("what is left of the limits is in the headers, and refusals say when to come back", async () => {
      const { headers } = await post(`${mesh.url}/v1/embeddings`, { input: "a" });
      equal(headers.get("x-ratelimit-limit-requests"), "2000");
      equal(headers.get("x-ratelimit-limit-tokens"), "60000");
      ok(Number(headers.get("x-ratelimit-remaining-requests")) < 2_000);
      match(headers.get("x-ratelimit-reset-tokens") ?? "", /^(\d+m)?[\d.]+m?s$/);
      match(headers.get("openai-processing-ms") ?? "", /^\d+$/);
      equal(headers.get("openai-model"), model);
      ok(headers.get("x-request-id"));

      const input = Array.from({ length: 300 }, (_, index) => `${index} ${"word ".repeat(250)}`);
      const never = await post(`${mesh.url}/v1/embeddings`, { input });
      equal(never.status, 429);
      equal(never.headers.get("x-should-retry"), "false");
      equal(never.headers.get("x-ratelimit-limit-tokens"), "60000");
      equal((never.json as Failed).error.code, "rate_limit_exceeded");
    });

    test("models are listed and found under each of their names", async () => {
      const list = await (await fetch(`${mesh.url}/v1/models`)).json();
      const { data, object } = list as { object: string; data: Record<string, unknown>[] };
      equal(object, "list");
      deepEqual([data[0]?.id, data[0]?.object], [model, "model"]);
      const ids = [model, encodeURIComponent(model), "all-MiniLM-L6-v2", `${model}@1`];
      for (const id of ids) {
        const answer = await fetch(`${mesh.url}/v1/models/${id}`);
        equal(answer.status, 200, id);
        const { id: found, owned_by } = (await answer.json()) as Record<string, unknown>;
        equal(found, id.endsWith("@1") ? `${model}@1` : model);
        equal(owned_by, "sentence-transformers");
      }
      const unknown = await fetch(`${mesh.url}/v1/models/some/body`);
      equal(unknown.status, 404);
      equal(((await unknown.json()) as Failed).error.code, "model_not_found");
    });
  });
}
