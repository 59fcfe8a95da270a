// tei.v1 over every protocol of the one port, beside HTTP, with traces, health and errors; in one process and as four.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { BadRequestSchema, ErrorInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from "../gen/grpc/health/v1/health_pb.js";
import { Embed, Info, Predict, Rerank, Tokenize } from "../gen/tei/v1/tei_pb.js";
import { post, transportsOf } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { collect, each } from "./support/messages.js";
import { type Collector, startCollector } from "./support/otlp-collector.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const exportMsMax = 20_000;

for (const kind of kinds) {
  describe(`tei.v1 of the mesh as ${kind}`, { timeout: 120_000 }, () => {
    let collector: Collector;
    let mesh: Mesh;
    before(async () => {
      collector = await startCollector();
      mesh = await startMesh(kind, collector.env);
    });
    after(async () => {
      await mesh?.stop();
      collector?.close();
    });
    const grpc = () => createGrpcTransport({ baseUrl: mesh.url });

    test("every protocol gives the vector that HTTP gives", async () => {
      const text = "a river of paper";
      const [expected = []] = (await post(`${mesh.url}/embed`, { inputs: text }))
        .json as number[][];
      for (const [name, transport] of Object.entries(transportsOf(mesh.url))) {
        const { embeddings } = await createClient(Embed, transport).embed({ inputs: text });
        equal(embeddings.length, expected.length, name);
        ok(
          embeddings.every((value, at) => Math.abs(value - (expected[at] ?? 2)) < 1e-6),
          name,
        );
      }
    });

    test("every protocol says in headers what an answer cost", async () => {
      for (const [name, transport] of Object.entries(transportsOf(mesh.url))) {
        let headers = new Headers();
        const onHeader = (sent: Headers) => {
          headers = sent;
        };
        await createClient(Embed, transport).embed({ inputs: "hello world" }, { onHeader });
        equal(headers.get("x-compute-characters"), "11", name);
        equal(headers.get("x-compute-tokens"), "4", name);
        ok(headers.has("x-inference-time") && headers.has("x-compute-type"), name);
      }
    });

    test("every service has a health of its own name", async () => {
      const health = createClient(Health, grpc());
      for (const { typeName } of [Info, Embed, Predict, Rerank, Tokenize]) {
        equal((await health.check({ service: typeName })).status, Serving.SERVING, typeName);
      }
      await rejects(health.check({ service: "tei.v1.Nothing" }), { code: Code.NotFound });
    });

    test("an error says which field is wrong, and has the id of its request", async () => {
      const headers = { "x-request-id": "mine" };
      await rejects(createClient(Embed, grpc()).embed({ inputs: "" }, { headers }), (error) => {
        ok(error instanceof ConnectError);
        equal(error.code, Code.InvalidArgument);
        const [badRequest] = error.findDetails(BadRequestSchema);
        equal(badRequest?.fieldViolations[0]?.field, "inputs[0]");
        equal(error.findDetails(ErrorInfoSchema)[0]?.metadata.request_id, "mine");
        return true;
      });
    });

    test("a call continues the trace that it brings, and so does a stream", async () => {
      const embed = createClient(Embed, grpc());
      const parent = "b7ad6b7169203331";
      const single = "11111111111111111111111111111111";
      const streamed = "22222222222222222222222222222222";
      const headersOf = (traceId: string) => ({ traceparent: `00-${traceId}-${parent}-01` });
      await embed.embed({ inputs: "trace one" }, { headers: headersOf(single) });
      const messages = each([{ inputs: "trace two" }, { inputs: "trace three" }]);
      await collect(embed.embedStream(messages, { headers: headersOf(streamed) }));
      for (const [traceId, name] of [
        [single, "tei.v1.Embed/Embed"],
        [streamed, "tei.v1.Embed/EmbedStream"],
      ] as const) {
        const root = await rootOf(collector, traceId, parent);
        equal(root?.name, name);
      }
    });

    test("the default model scores, ranks, and gives a vector for each token", async () => {
      const predict = createClient(Predict, grpc());
      const { predictions } = await predict.predict({ inputs: "what a wonderful film" });
      deepEqual(
        predictions.map(({ label }) => label),
        ["POSITIVE", "NEGATIVE"],
      );
      const sum = predictions.reduce((total, { score }) => total + score, 0);
      ok(Math.abs(sum - 1) < 1e-5);
      const texts = ["the cat sleeps", "stocks fell on Monday"];
      const rerank = createClient(Rerank, grpc());
      const { ranks } = await rerank.rerank({ query: "markets", texts, returnText: true });
      deepEqual(
        ranks.map(({ text }) => text),
        texts.toReversed(),
      );
      const { tokenEmbeddings, metadata } = await createClient(Embed, grpc()).embedAll({
        inputs: "hello world",
      });
      deepEqual([tokenEmbeddings.length, metadata?.computeTokens], [4, 4]);
    });

    test("pairs, tokens and ids are answered one by one in streams", async () => {
      const predict = createClient(Predict, grpc());
      const pairs = [{ inputs: ["a", "b"] }, { inputs: ["one"] }];
      equal((await collect(predict.predictPairStream(each(pairs)))).length, 2);
      const tokenize = createClient(Tokenize, grpc());
      const texts = [{ inputs: "hello" }, { inputs: "Grüße", addSpecialTokens: true }];
      const encoded = await collect(tokenize.tokenizeStream(each(texts)));
      deepEqual(
        encoded.map(({ tokens }) => tokens.length),
        [1, 5],
      );
      const ids = encoded.map(({ tokens }) => ({ ids: tokens.map(({ id }) => id) }));
      const decoded = await collect(tokenize.decodeStream(each(ids)));
      deepEqual(
        decoded.map(({ text }) => text),
        ["hello", "[CLS] gruße [SEP]"],
      );
    });
  });
}

/** The span of the call whose caller is `parentSpanId`; spans come some time after the answers. */
async function rootOf(collector: Collector, traceId: string, parentSpanId: string) {
  const deadline = Date.now() + exportMsMax;
  for (;;) {
    const spans = collector.spans.filter((span) => span.traceId === traceId);
    const root = spans.find((span) => span.parentSpanId === parentSpanId);
    if (root !== undefined || Date.now() > deadline) return root;
    await sleep(50);
  }
}
