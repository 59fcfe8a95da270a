// POST /v1/classify and the reranking of Cohere and Jina, on the embedded model.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { post } from "./support/clients.js";
import { type Mesh, startMesh } from "./support/mesh-process.js";

interface Classified {
  readonly object: string;
  readonly data: { readonly label: string; readonly score: number }[][];
  readonly usage: { readonly prompt_tokens: number };
}

interface Reranked {
  readonly id: string;
  readonly results: {
    readonly index: number;
    readonly relevance_score: number;
    readonly document?: { readonly text: string };
  }[];
  readonly usage: { readonly total_tokens: number };
}

describe("the mesh", { timeout: 120_000 }, () => {
  let mesh: Mesh;
  before(async () => {
    mesh = await startMesh("one");
  });
  after(() => mesh.stop());

  const classify = async (body: object): Promise<Classified> => {
    const { status, json } = await post(`${mesh.url}/v1/classify`, body);
    equal(status, 200, JSON.stringify(json));
    return json as Classified;
  };
  const bestOf = ({ data }: Classified) => data.map(([first]) => first?.label);

  test("puts sensible labels first without ever having seen them", async () => {
    const cases = [
      ["The striker scored twice in the second half.", "sports"],
      ["The central bank raised interest rates again.", "economy"],
      ["The new phone has a faster processor and a better camera.", "technology"],
      ["The senate voted against the bill last night.", "politics"],
      ["Simmer the onions in butter until they are golden.", "cooking"],
    ] as const;
    const input = cases.map(([text]) => text);
    const labels = cases.map(([, label]) => label).toSorted();
    const classified = await classify({ input, labels });
    deepEqual(
      bestOf(classified),
      cases.map(([, label]) => label),
    );
    for (const scored of classified.data) {
      const total = scored.reduce((sum, { score }) => sum + score, 0);
      ok(Math.abs(total - 1) < 1e-9);
      ok((scored[0]?.score ?? 0) > 0.5);
    }
    equal(classified.object, "classify");
    ok(classified.usage.prompt_tokens > 50);
  });

  test("judges labels one by one when several may hold", async () => {
    const input = "The president opened the football world cup.";
    const labels = "sports, politics, cooking";
    const { data } = await classify({ input, candidate_labels: labels, multi_label: true });
    equal(data[0]?.at(-1)?.label, "cooking");
    ok(data[0]?.every(({ score }) => score >= 0 && score <= 1));
  });

  test("has the model's own labels where none are given", async () => {
    const classified = await classify({ input: ["I love it", "I hate it"] });
    deepEqual(bestOf(classified), ["POSITIVE", "NEGATIVE"]);
  });

  test("reranks documents by how well they answer", async () => {
    const documents = [
      "Pizza is baked in an oven.",
      { text: "Paris is the capital of France.", source: "atlas" },
      "France borders Spain.",
    ];
    const body = { query: "What is the capital of France?", documents };
    for (const path of ["/v1/rerank", "/v2/rerank"]) {
      const { status, json } = await post(`${mesh.url}${path}`, body);
      equal(status, 200);
      const { id, results, usage } = json as Reranked;
      ok(id);
      ok(usage.total_tokens > 20);
      deepEqual(
        results.map(({ index }) => index),
        [1, 2, 0],
      );
      ok(results.every(({ relevance_score: score }) => score >= 0 && score <= 1));
      equal(results[0]?.document, undefined);
    }
    const top = await post(`${mesh.url}/v1/rerank`, { ...body, top_n: 1, return_documents: true });
    const { results } = top.json as Reranked;
    deepEqual(
      results.map(({ document }) => document?.text),
      ["Paris is the capital of France."],
    );
  });

  test("refuses what it cannot rerank or embed, in the words of both Cohere and OpenAI", async () => {
    const cases: [string, object, string, RegExp][] = [
      ["/v2/rerank", { query: "a", documents: [] }, "documents", /`documents` cannot be empty/],
      ["/v2/rerank", { query: "a", documents: ["b", ""] }, "documents", /'documents\[1\]'/],
      ["/v2/rerank", { query: "", documents: ["b"] }, "query", /`query` cannot be empty/],
      ["/v1/rerank", { query: "a", documents: [{ title: "b" }] }, "documents", /`text`/],
      ["/v1/rerank", { query: "a", documents: ["b"], top_n: 0 }, "top_n", /top_n/],
      ["/v2/embed", { input_type: "search_query" }, "texts", /one of `texts` and `inputs`/],
      ["/v2/embed", { images: ["x"] }, "images", /only texts/],
      ["/v2/embed", { texts: ["a"], embedding_types: ["int4"] }, "embedding_types", /int8/],
      ["/v2/embed", { texts: ["a"], output_dimension: 385 }, "output_dimension", /smaller/],
    ];
    for (const [path, body, param, message] of cases) {
      const { status, json } = await post(`${mesh.url}${path}`, body);
      equal(status, 400, path);
      const failed = json as { message: string; error: { message: string; param: string } };
      match(failed.message, message);
      deepEqual([failed.error.message, failed.error.param], [failed.message, param]);
    }
    const unknown = await post(`${mesh.url}/v2/embed`, { model: "embed-v4.0", texts: ["a"] });
    equal(unknown.status, 404);
  });

  test("a text over the limit is refused where Cohere's truncate says NONE", async () => {
    const texts = ["word ".repeat(400)];
    equal((await post(`${mesh.url}/v2/embed`, { texts, truncate: "NONE" })).status, 400);
    const [start, end] = await Promise.all(
      ["START", "END"].map((truncate) => post(`${mesh.url}/v1/embed`, { texts, truncate })),
    );
    equal(start?.status, 200);
    equal(end?.status, 200);
  });
});
