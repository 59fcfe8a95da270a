// What gRPC clients of their own can ask of the mesh with batches of texts, in one process and as four.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { GatewayService, Task, TruncationSide } from "../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { OffsetUnit, TokenizerService } from "../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { gatewayOf, transportsOf } from "./support/clients.js";
import { cosine } from "./support/golden.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { collect, each } from "./support/messages.js";

const kinds: readonly MeshKind[] = ["one", "four"];

for (const kind of kinds) {
  describe(`gRPC clients of the mesh as ${kind}`, { timeout: 120_000 }, () => {
    let mesh: Mesh;
    let gateway: ReturnType<typeof gatewayOf>;
    before(async () => {
      mesh = await startMesh(kind);
      gateway = gatewayOf(createGrpcTransport({ baseUrl: mesh.url }));
    });
    after(() => mesh?.stop());

    test("ids stand for the text they are of", async () => {
      const tokens = createClient(TokenizerService, createGrpcTransport({ baseUrl: mesh.url }));
      const { encodings } = await tokens.encode({ texts: ["a river of paper"] });
      const ids = encodings[0]?.ids ?? [];
      const { embeddings } = await gateway.embed({
        mixedInputs: [
          { kind: { case: "text", value: "a river of paper" } },
          { kind: { case: "ids", value: { ids } } },
        ],
      });
      const [text, sequence] = embeddings;
      ok(cosine(text?.values ?? [], sequence?.values ?? []) > 0.999_999);
      equal(sequence?.inputTokens, ids.length);
    });

    test("the end that is cut off is the caller's to choose", async () => {
      const long = `first ${"word ".repeat(300)}last`;
      const cut = (truncationSide: TruncationSide) =>
        gateway.embed({ inputs: [long], truncate: true, truncationSide, tokensMax: 16 });
      const left = await cut(TruncationSide.LEFT);
      const right = await cut(TruncationSide.RIGHT);
      equal(left.inputTokens, 16);
      const [a, b] = [left.embeddings[0]?.values ?? [], right.embeddings[0]?.values ?? []];
      ok(cosine(a, b) < 0.999);
      await rejects(gateway.embed({ inputs: [long], truncate: false }), {
        code: Code.InvalidArgument,
      });
    });

    test("a vector for each token, whose mean is the vector of the text", async () => {
      const inputs = ["hello world", "a river of paper"];
      const { dimensions, tokenVectors, usage } = await gateway.embedTokens({ inputs });
      const { embeddings } = await gateway.embed({ inputs });
      equal(dimensions, 384);
      for (const [at, { values, inputTokens }] of tokenVectors.entries()) {
        equal(values.length, inputTokens * dimensions);
        const sums = Array.from({ length: dimensions }, (_, column) =>
          values.reduce((sum, value, i) => (i % dimensions === column ? sum + value : sum), 0),
        );
        ok(cosine(sums, embeddings[at]?.values ?? []) > 0.999);
      }
      equal(usage?.inputTokens, 4 + 6);
      equal(usage?.characters, 27);
    });

    test("the default model knows good from bad, also as a stream", async () => {
      const inputs = ["I love this wonderful film", "a terrible, boring waste of time"];
      const { classifications } = await gateway.classify({ inputs, labelsMax: 1 });
      const labels = classifications.map(({ scores }) => scores.map(({ label }) => label));
      deepEqual(labels, [["POSITIVE"], ["NEGATIVE"]]);
      const requests = [{ request: { inputs } }, {}, { request: { inputs: [""] } }];
      const answers = await collect(gateway.classifyStream(each(requests)));
      deepEqual(
        answers.map(({ index, result }) => [index, result.case]),
        [
          [0n, "classified"],
          [1n, "error"],
          [2n, "error"],
        ],
      );
    });

    test("texts are ranked and compared by what they mean", async () => {
      const texts = ["The cat sleeps on the sofa", "Stocks fell on Monday", "A kitten naps"];
      const { ranks, model } = await gateway.rerank({ query: "a sleeping cat", texts });
      equal(model, "sentence-transformers/all-MiniLM-L6-v2");
      equal(ranks.at(-1)?.index, 1);
      const { cosines } = await gateway.compare({ source: "a sleeping cat", texts });
      equal(cosines.length, 3);
      for (const { index, score } of ranks) {
        ok(Math.abs(score - (cosines[index] ?? Number.NaN)) < 1e-5);
      }
      const [best] = (await gateway.rerank({ query: "markets", texts, ranksMax: 1 })).ranks;
      equal(best?.index, 1);
    });

    test("a model that cannot do what is asked says so", async () => {
      await rejects(gateway.embedSparse({ inputs: ["a"] }), { code: Code.FailedPrecondition });
      await rejects(gateway.embedSparse({ model: "nothing", inputs: ["a"] }), {
        code: Code.NotFound,
      });
    });

    test("models are listed in every protocol", async () => {
      for (const [name, transport] of Object.entries(transportsOf(mesh.url))) {
        const { models } = await createClient(GatewayService, transport).listModels({});
        const [model] = models;
        equal(model?.name, "sentence-transformers/all-MiniLM-L6-v2", name);
        deepEqual([model?.task, model?.dimensions], [Task.EMBEDDING, 384], name);
        deepEqual(model?.labels, ["NEGATIVE", "POSITIVE"], name);
      }
    });

    test("tokens go out, come back as text and are counted, also as streams", async () => {
      const tokens = createClient(TokenizerService, createGrpcTransport({ baseUrl: mesh.url }));
      const request = { texts: ["Grüße"], offsetUnit: OffsetUnit.UTF16 };
      const { encodings, model } = await tokens.encode(request);
      equal(model, "sentence-transformers/all-MiniLM-L6-v2");
      const [encoding] = encodings;
      deepEqual(encoding?.pieces, ["", "Gr", "ü", "ße", ""]);
      const sequences = [{ ids: encoding?.ids ?? [] }];
      deepEqual((await tokens.decode({ sequences })).texts, ["gruße"]);
      deepEqual((await tokens.count({ texts: ["Grüße", "a"] })).tokens, [5, 3]);
      await rejects(tokens.decode({ sequences: [{ ids: [99_999_999] }] }), {
        code: Code.InvalidArgument,
      });

      const requests = [{ request }, { request: { texts: [] } }, { request }];
      const cases = ["encoded", "error", "encoded"];
      const encoded = await collect(tokens.encodeStream(each(requests)));
      deepEqual(
        encoded.map(({ result }) => result.case),
        cases,
      );
      const counted = await collect(tokens.countStream(each([{ request: { texts: ["a"] } }])));
      deepEqual(counted[0]?.result.case === "counted" && counted[0].result.value.tokens, [3]);
      const decoded = await collect(tokens.decodeStream(each([{ request: { sequences } }])));
      equal(decoded[0]?.result.case, "decoded");
    });
  });
}
