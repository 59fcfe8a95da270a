// What stands next to the recorded cases of text-embeddings-inference, on the embedded model.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { post } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const many = (count: number) => Array.from({ length: count }, () => "a");
const malformed = /^Failed to parse the request body as JSON: ./;
/** The place is told; the rest is whatever the schema says. */
const mismatch = (place: string) =>
  new RegExp(`^Failed to deserialize the JSON body into the target type: ${place}`);
const invalid = (reason: string) => `Input validation error: ${reason}`;

/** Refused requests; a text is sent as it is. */
const refused: readonly (readonly [
  path: string,
  body: unknown,
  status: number,
  error: string | RegExp,
])[] = [
  [
    "/embed_sparse",
    { inputs: [101, 102] },
    424,
    "Backend error: Model is not an embedding model with SPLADE pooling",
  ],
  ["/embed_sparse", { inputs: many(33) }, 422, "batch size 33 > maximum allowed batch size 32"],
  [
    "/embed_all",
    { inputs: "a", truncation_direction: "up" },
    422,
    mismatch("truncation_direction:"),
  ],
  ["/embed_all", { inputs: [[101], []] }, 400, invalid("`inputs` cannot be empty")],
  [
    "/similarity",
    { inputs: { source_sentence: "a", sentences: many(32) } },
    422,
    "batch size 33 > maximum allowed batch size 32",
  ],
  [
    "/similarity",
    { inputs: { source_sentence: "a", sentences: [] } },
    400,
    "`inputs.sentences` cannot be empty",
  ],
  [
    "/similarity",
    { inputs: { source_sentence: "a" } },
    422,
    mismatch("missing field `inputs.sentences`"),
  ],
  [
    "/similarity",
    { inputs: { source_sentence: "a", sentences: ["b", 1] } },
    422,
    mismatch("inputs.sentences.1:"),
  ],
  ["/decode", { ids: -1 }, 422, mismatch("ids:")],
  ["/decode", { ids: [[1], -1] }, 422, mismatch("ids:")],
  [
    "/decode",
    { ids: [99_999_999] },
    422,
    "sequences[0].ids[0]: id 99999999 is outside the vocabulary",
  ],
  ["/decode", {}, 422, mismatch("missing field `ids`")],
  ["/tokenize", { inputs: [] }, 400, "`inputs` cannot be empty"],
  ["/tokenize", { inputs: ["a", ""] }, 400, invalid("`inputs` cannot be empty")],
  ["/tokenize", { inputs: many(33) }, 422, "batch size 33 > maximum allowed batch size 32"],
  [
    "/tokenize",
    { inputs: "a".repeat(64_001) },
    422,
    invalid("`inputs` must have less than 64000 characters. Given: 64001"),
  ],
  ["/rerank", { query: "q", texts: [] }, 400, "`texts` cannot be empty"],
  [
    "/rerank",
    { query: "q", texts: many(33) },
    422,
    "batch size 33 > maximum allowed batch size 32",
  ],
  ["/rerank", { query: "q", texts: "a" }, 422, mismatch("texts:")],
  ["/predict", { inputs: [["a"], "b"] }, 422, mismatch("inputs: ")],
  ["/predict", { inputs: ["a", ["b"]] }, 422, mismatch("inputs: ")],
  ["/predict", { inputs: [5] }, 422, mismatch("inputs: ")],
  ["/predict", { inputs: "a", top_k: 0 }, 422, invalid("`top_k` should be positive")],
  ["/predict", { text: "" }, 400, invalid("`inputs` cannot be empty")],
  ["/vertex", { instances: {} }, 422, mismatch("instances:")],
  ["/vertex", { instances: [{ inputs: 5 }] }, 422, /^inputs: expected/],
  ["/embed", "", 400, malformed],
  ["/embed", '{"inputs": "\\ud800"}', 400, malformed],
  ["/embed", `{"inputs": ${"[".repeat(1_000)}`, 400, malformed],
  ["/embed", { inputs: [4_294_967_296] }, 422, mismatch("inputs")],
];

for (const kind of kinds) {
  describe(`the mesh as ${kind}`, { timeout: 300_000 }, () => {
    let mesh: Mesh;
    before(async () => {
      mesh = await startMesh(kind);
    });
    after(() => mesh.stop());
    const send = async (path: string, body: unknown, headers = {}) =>
      await post(`${mesh.url}${path}`, body, headers);
    const statusOf = async (path: string, options: RequestInit) => {
      const { status, headers } = await fetch(`${mesh.url}${path}`, options);
      return [status, headers.get("allow")];
    };

    for (const [path, body, status, error] of refused) {
      const shown = typeof body === "string" ? body : JSON.stringify(body);
      test(`${path} refuses ${shown.slice(0, 60)}`, async () => {
        const answer = await send(path, body);
        const given = answer.json as Record<string, unknown>;
        equal(answer.status, status);
        if (typeof error === "string") equal(given.error, error);
        else match(String(given.error), error);
        equal(given.request_id, answer.headers.get("x-request-id"));
        ok(!answer.headers.has("x-compute-time"));
      });
    }

    test("a path has one spelling, and methods of their own", async () => {
      const empty = { method: "POST", headers: { "content-type": "text/plain" }, body: "x" };
      for (const path of ["/embed/", "//embed", "/%65mbed", "/EMBED", "/nope", "/v1"]) {
        deepEqual(await statusOf(path, empty), [404, null], path);
      }
      for (const path of ["/info", "/health", "/ping", "/metrics", "/ready"]) {
        deepEqual(await statusOf(path, { method: "HEAD" }), [200, null], path);
        deepEqual(await statusOf(path, empty), [405, "GET,HEAD"], path);
      }
      for (const path of ["/embed", "/vertex", "/decode", "/invocations"]) {
        deepEqual(await statusOf(path, { method: "HEAD" }), [405, "POST"], path);
        deepEqual(await statusOf(path, { method: "OPTIONS" }), [200, "POST"], path);
      }
      deepEqual(await statusOf("/", { method: "DELETE" }), [405, "POST,GET,HEAD"]);
    });

    test("a body is JSON only when its type says so", async () => {
      for (const type of ["text/json", "application/jsonp", "application/xml", ""]) {
        equal((await send("/embed", { inputs: "a" }, { "content-type": type })).status, 415, type);
      }
      const types = ["application/json;charset=utf-8", "application/ld+json", "Application/JSON"];
      for (const type of types) {
        equal((await send("/embed", { inputs: "a" }, { "content-type": type })).status, 200, type);
      }
    });

    test("predictions: the short form, pairs, batches, top_k and raw scores", async () => {
      const short = (await send("/predict", { text: "I love it", top_k: 1 })).json;
      const { predictions, model, latency_ms } = short as Record<string, unknown>;
      const [best] = predictions as { label: string; score: number }[];
      deepEqual([best?.label, (predictions as unknown[]).length], ["POSITIVE", 1]);
      match(String(model), /all-MiniLM-L6-v2$/);
      ok(Number(latency_ms) > 0);

      const { json: long } = await send("/predict", { inputs: "I love it" });
      deepEqual((long as unknown[])[0], best);
      const { json: pair } = await send("/predict", { inputs: ["I love it", ""] });
      equal((pair as unknown[]).length, 2);
      const { json: batch } = await send("/predict", { inputs: [["a"], ["a", "b"]], top_k: 1 });
      deepEqual(
        (batch as unknown[][]).map((one) => one.length),
        [1, 1],
      );

      const raw = (await send("/predict", { inputs: "I love it", raw_scores: true })).json;
      const asked = { inputs: "I love it", parameters: { function_to_apply: "sigmoid" } };
      const sigmoid = (await send("/predict", asked)).json;
      const [logit, probability] = [raw, sigmoid].map(
        (all) => (all as { score: number }[])[0]?.score,
      );
      ok(Math.abs(1 / (1 + Math.exp(-(logit ?? 0))) - (probability ?? 0)) < 1e-5);
    });

    test("texts are ranked by cosine, with or without themselves", async () => {
      const texts = ["I like pizza.", "Neural networks with many layers"];
      const answer = await send("/rerank", { query: "deep learning", texts, return_text: true });
      const ranks = answer.json as { index: number; text: string; score: number }[];
      deepEqual(
        ranks.map(({ index, text }) => [index, text]),
        [
          [1, texts[1]],
          [0, texts[0]],
        ],
      );
      ok((ranks[0]?.score ?? 0) > (ranks[1]?.score ?? 0));
      deepEqual(Object.keys((await send("/rerank", { query: "a", texts })).json as object[]), [
        "0",
        "1",
      ]);
      const info = await (await fetch(`${mesh.url}/info`)).json();
      equal(info.rerank.by, "cosine_of_embeddings");
    });

    test("instances and bodies without a route are for what the default model does", async () => {
      const compared = { inputs: { source_sentence: "a", sentences: ["b"] } };
      const [similarity] = (await send("/similarity", compared)).json as number[];
      deepEqual((await send("/", compared)).json, [similarity]);
      const embedded = (await send("/embed", { inputs: "a", dimensions: 2 })).json;
      deepEqual((await send("/invocations", { inputs: "a", dimensions: 2 })).json, embedded);
      const instances = [
        { inputs: "a", dimensions: 2 },
        { query: "a", texts: ["b"] },
      ];
      const { json } = await send("/vertex", { instances });
      deepEqual(json, { predictions: [embedded, [{ index: 0, score: similarity }]] });
      deepEqual((await send("/vertex", { instances: [] })).json, { predictions: [] });
    });

    test("answers say what they cost", async () => {
      const { headers } = await send("/embed_all", { inputs: ["hé", [101, 102]] });
      equal(headers.get("x-compute-characters"), "4");
      equal(headers.get("x-compute-tokens"), "5");
      const names = ["compute", "total", "tokenization", "queue", "inference"];
      for (const name of names) match(headers.get(`x-${name}-time`) ?? "", /^\d+$/, name);
    });

    test("requests are counted and timed under the names that dashboards know", async () => {
      const read = async (line: RegExp): Promise<number> => {
        const text = await (await fetch(`${mesh.url}/metrics`)).text();
        return Number(line.exec(text)?.[1] ?? 0);
      };
      const single = /^te_request_success\{method="single"\} (\d+)/m;
      const batch = /^te_request_success\{method="batch"\} (\d+)/m;
      const unfit = /^te_request_failure\{err="model_type"\} (\d+)/m;
      const timed = /^te_request_inference_duration_count (\d+)/m;
      const lines = [single, batch, unfit, timed];
      const before = await Promise.all(lines.map(read));
      await send("/embed", { inputs: "a" });
      await send("/embed", { inputs: ["a", "b"] });
      await send("/embed_sparse", { inputs: "a" });
      const after = await Promise.all(lines.map(read));
      deepEqual(
        after.map((count, at) => count - (before[at] ?? 0)),
        [1, 1, 1, 2],
      );
      equal(await read(/^te_queue_size (\d+)/m), 0);
    });

    test("the left end or the right end is cut off", async () => {
      const words = "word ".repeat(300);
      const embed = async (inputs: string, direction: string | null) =>
        (await send("/embed", { inputs, truncation_direction: direction, dimensions: 4 })).json;
      const [first, last] = [`first ${words}`, `${words}last`];
      deepEqual(await embed(first, "Left"), await embed(`second ${words}`, "left"));
      deepEqual(await embed(last, "Right"), await embed(`${words}end`, null));
      ok(
        JSON.stringify(await embed(first, "right")) !== JSON.stringify(await embed(first, "left")),
      );
    });
  });
}
