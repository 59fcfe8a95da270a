// One trace for each request, with a span for each of its stages, in one process and as four.

import { deepEqual, equal, ok } from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import { post } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { type Collector, startCollector } from "./support/otlp-collector.js";
import { SpanDocs } from "./support/span-docs.js";
import { callerSpanId, rolesOf, TraceTree, traceHeaders } from "./support/trace-tree.js";
import { tracedProtocols } from "./support/traced-protocols.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const roles = ["gateway", "inference", "ratelimit", "tokenizer"];
const key = "a-key-that-nobody-may-read";
/** Stands in every text that is sent. */
const marker = "Quodlibet";
const authorized = { authorization: `Bearer ${key}` };
const docs = new SpanDocs();

for (const kind of kinds) {
  describe(`the mesh as ${kind}`, { timeout: 180_000 }, () => {
    let collector: Collector;
    let mesh: Mesh;
    let traces = 0;
    before(async () => {
      collector = await startCollector();
      mesh = await startMesh(kind, { ...collector.env, API_KEY: key });
    });
    after(async () => {
      await mesh.stop();
      collector.close();
    });

    const nextTraceId = (): string => {
      traces += 1;
      return `abcd${traces.toString(16).padStart(4, "0")}`.padEnd(32, "0");
    };
    const ask = async (path: string, body: unknown, traceId = nextTraceId()) => {
      await post(`${mesh.url}${path}`, body, { ...authorized, ...traceHeaders(traceId) });
      return traceId;
    };
    const treeOf = async (traceId: string) =>
      await TraceTree.of(collector, traceId, (spans) => rolesOf(spans).length === roles.length);
    const treeWith = async (traceId: string, name: RegExp) =>
      await TraceTree.of(collector, traceId, (spans) => spans.some((span) => name.test(span.name)));

    test("every protocol has one tree with every stage in its place", async () => {
      for (const { name, spanName, send } of tracedProtocols(mesh.url)) {
        const traceId = nextTraceId();
        await send(`${marker} ${name}`, { ...authorized, ...traceHeaders(traceId) });
        const tree = await treeOf(traceId);
        equal(tree.root.name, spanName);
        equal(tree.root.parentSpanId, callerSpanId);
        deepEqual(tree.roles, roles);
        tree.requireNested();
        hasEveryStage(tree, name);
      }
    });

    test("what is told of a request follows the conventions", async () => {
      const body = { input: `${marker} told`, encoding_format: "base64", dimensions: 8 };
      const tree = await treeOf(await ask("/v1/embeddings?hidden=1", body));
      const {
        "arrowmesh.request_id": id,
        "user_agent.original": agent,
        ...http
      } = tree.root.attributes;
      ok(id && agent);
      deepEqual(http, {
        "http.request.method": "POST",
        "http.route": "/v1/embeddings",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/v1/embeddings",
      });
      deepEqual(tree.one("predict").attributes, {
        "arrowmesh.operation": "embed",
        "arrowmesh.inputs": 1,
        "arrowmesh.model.version": "1",
        "gen_ai.operation.name": "embeddings",
        "gen_ai.provider.name": "arrowmesh",
        "gen_ai.request.encoding_formats": ["base64"],
        "gen_ai.request.model": "sentence-transformers/all-MiniLM-L6-v2",
        "gen_ai.response.model": "sentence-transformers/all-MiniLM-L6-v2",
        "gen_ai.usage.input_tokens": tree.one("tokenization").attributes["arrowmesh.tokens"],
        "gen_ai.embeddings.dimension.count": 8,
      });
      const encode = tree.spans.find(({ name }) => name.endsWith("/Encode"));
      equal(encode?.attributes["rpc.response.status_code"], "OK");
    });

    test("requests that come at once are one tree each, and batches lead from one to another", async () => {
      // Long enough that some have to wait for a worker, and so for each other.
      const texts = Array.from({ length: 24 }, (_, index) => `${marker} ${index} `.repeat(40));
      const ids = await Promise.all(texts.map((inputs) => ask("/embed", { inputs })));
      const mates: number[] = [];
      for (const tree of await Promise.all(ids.map(treeOf))) {
        deepEqual(tree.roles, roles);
        tree.requireNested();
        const run = tree.one("model_inference");
        const [link] = run.links;
        ok(link);
        const batch = (await TraceTree.of(collector, link.traceId)).one("batch");
        equal(batch.spanId, link.spanId);
        ok(batch.links.some(({ spanId }) => spanId === run.spanId));
        equal(batch.links.length, batch.attributes["arrowmesh.batch.size"]);
        for (const { traceId } of batch.links) ok(ids.includes(traceId));
        mates.push(batch.links.length);
      }
      ok(Math.max(...mates) > 1, "no two requests shared a batch");
    });

    test("who waits for what another request computes is linked to it", async () => {
      const inputs = `${marker} wanted by all `.repeat(40);
      const ids = await Promise.all(Array.from({ length: 6 }, () => ask("/embed", { inputs })));
      const trees = await Promise.all(ids.map((id) => treeWith(id, /^postprocessing$/)));
      const lookups = trees.map((tree) => tree.one("cache"));
      const [first, ...others] = lookups.filter(({ attributes }) => attributes[misses] === 1);
      ok(first);
      equal(others.length, 0);
      const waited = lookups.filter(({ attributes }) => attributes[coalesced] === 1);
      ok(waited.length > 0, "nobody waited");
      for (const { links } of waited)
        deepEqual(
          links.map(({ spanId }) => spanId),
          [first.spanId],
        );

      const again = await treeWith(await ask("/embed", { inputs }), /^postprocessing$/);
      equal(again.one("cache").attributes["arrowmesh.cache.hits"], 1);
      equal(again.all("queue").length, 0);
    });

    test("tokens alone need no model, and tensors no tokens", async () => {
      const asked = await ask("/tokenize", { inputs: `${marker} only tokens` });
      const tokens = await treeWith(asked, /\/Encode$/);
      equal(tokens.parentOf(tokens.one("tokenization")), tokens.root);
      equal(tokens.all("predict").length, 0);

      const names = ["input_ids", "attention_mask", "token_type_ids"];
      const inputs = names.map((name) => ({
        ...{ name, datatype: "INT64", shape: [1, 3], data: [1, 1, 1] },
      }));
      const inferred = await ask("/v2/models/all-MiniLM-L6-v2/infer", { inputs });
      const tensors = await treeWith(inferred, /^model_inference$/);
      equal(tensors.one("predict").attributes["arrowmesh.operation"], "tensors");
      const run = tensors.one("model_inference").attributes;
      equal(run["arrowmesh.batch.size"], 1);
      equal(run["arrowmesh.tokens"], undefined);
      tensors.requireNested();
    });

    test("each message of a stream has a span, and a failure of its own", async () => {
      const traceId = nextTraceId();
      const stream = tracedProtocols(mesh.url).find(({ name }) => name === "gRPC stream");
      await stream?.send("", { ...authorized, ...traceHeaders(traceId) }).catch(() => undefined);
      const [empty] = (await treeWith(traceId, /^message$/)).all("message");
      equal(empty?.attributes["arrowmesh.message.index"], 0);
      equal(empty?.attributes["error.type"], "empty");
      ok(empty?.failure);
    });

    test("a refusal is the failure of the stage that refused", async () => {
      const refused = nextTraceId();
      const headers = { ...traceHeaders(refused), authorization: "Bearer wrong" };
      await post(`${mesh.url}/embed`, { inputs: marker }, headers);
      const tree = await TraceTree.of(collector, refused);
      ok(tree.one("auth").failure);
      equal(tree.root.attributes["http.response.status_code"], 401);
      equal(tree.root.failure, undefined);
      equal(tree.spans.length, 2);

      const inputs = `${marker} `.repeat(600);
      const cut = await treeWith(await ask("/embed", { inputs, truncate: false }), /\/Encode$/);
      ok(cut.one("tokenization").failure);
      equal(cut.one("limit_requests").failure, undefined);
      equal(cut.root.attributes["error.type"], "invalid");
    });

    test("spans have no text and no secret, and are all documented", () => {
      const told = JSON.stringify(collector.spans, (_, value) =>
        typeof value === "bigint" ? String(value) : value,
      );
      for (const secret of [marker, key, "hidden"]) ok(!told.includes(secret), secret);
      const unsaid = collector.spans.flatMap((span) => docs.missingOf(span) ?? []);
      deepEqual([...new Set(unsaid)], []);
    });
  });
}

test("the document names no span that nobody sends", () => {
  // These need a Redis, or requests that are not sampled.
  const elsewhere = /EVALSHA|SET|shared_call/;
  deepEqual(
    docs.unseen().filter((name) => !elsewhere.test(name)),
    [],
  );
});

const misses = "arrowmesh.cache.misses";
const coalesced = "arrowmesh.cache.coalesced";

/** The stages of a piece of work, and what each of them is directly below. */
const parents = {
  limit_requests: "predict",
  tokenization: "predict",
  limit_tokens: "predict",
  postprocessing: "predict",
  queue: "arrowmesh.inference.v1.InferenceService/",
  model_inference: "arrowmesh.inference.v1.InferenceService/",
} as const;

function hasEveryStage(tree: TraceTree, protocol: string): void {
  const works = tree.all("predict");
  ok(works.length > 0, protocol);
  equal(tree.parentOf(tree.one("auth")), tree.root);
  for (const span of works) {
    const above = tree.parentOf(span)?.name;
    equal(above, tree.all("message").length > 0 ? "message" : tree.root.name);
  }
  for (const [name, parent] of Object.entries(parents)) {
    equal(tree.all(name).length, works.length, `${protocol}: ${name}`);
    for (const span of tree.all(name)) ok(tree.parentOf(span)?.name.startsWith(parent), name);
  }
  for (const { attributes, links } of tree.all("model_inference")) {
    ok(Number(attributes["arrowmesh.batch.size"]) >= 1);
    equal(attributes["arrowmesh.device"], "cpu");
    equal(links.length, 1);
  }
}

test("the Jaeger exporter sends spans where it is told to", { timeout: 120_000 }, async () => {
  const paths: string[] = [];
  const jaeger = createServer((request, response) => {
    paths.push(`${request.method} ${request.headers["content-type"]}`);
    request.resume();
    response.end();
  });
  jaeger.listen(0, "127.0.0.1");
  await once(jaeger, "listening");
  const address = jaeger.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const mesh = await startMesh("one", {
    OTEL_TRACES_EXPORTER: "jaeger",
    OTEL_TRACES_SAMPLER: "always_on",
    OTEL_EXPORTER_JAEGER_ENDPOINT: `http://127.0.0.1:${port}/api/traces`,
  });
  await post(`${mesh.url}/embed`, { inputs: "trace me" });
  // The end of the process sends what is left.
  await mesh.stop();
  jaeger.close();
  jaeger.closeAllConnections();
  ok(paths.includes("POST application/x-thrift"), paths.join());
});
