// Streams of tei.v1 under load: order, bounds, waiting instead of refusing; the shape of load_grpc_stream.js.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { Client, credentials } from "@grpc/grpc-js";
import { Embed, EmbedRequestSchema, EmbedResponseSchema, Rerank } from "../gen/tei/v1/tei_pb.js";
import { toBuffer } from "../lib/rpc/grpc-server.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { collect, each } from "./support/messages.js";

const kinds: readonly MeshKind[] = ["one", "four"];
/** About as long as the text of text-embeddings-inference's load test: more than the model reads. */
const longText = "then proceeding in a generally easterly direction ".repeat(56);
const messages = 2_000;

for (const kind of kinds) {
  describe(`streams of the mesh as ${kind}`, { timeout: 240_000 }, () => {
    let mesh: Mesh;
    before(async () => {
      mesh = await startMesh(kind, { ADMITTED_INPUTS_MAX: "16" });
    });
    after(() => mesh?.stop());
    const embedOf = () => createClient(Embed, createGrpcTransport({ baseUrl: mesh.url }));

    test("thousands of messages written at once are all answered", async () => {
      const client = new Client(new URL(mesh.url).host, credentials.createInsecure());
      const call = client.makeBidiStreamRequest("/tei.v1.Embed/EmbedStream", toBuffer, (bytes) =>
        fromBinary(EmbedResponseSchema, bytes),
      );
      const bytes = toBinary(
        EmbedRequestSchema,
        create(EmbedRequestSchema, { inputs: longText, truncate: true }),
      );
      for (let written = 0; written < messages; written += 1) call.write(bytes);
      call.end();
      let answered = 0;
      // grpc-js does not type what its streams yield.
      for await (const { embeddings, metadata } of call as AsyncIterable<
        ReturnType<typeof fromBinary<typeof EmbedResponseSchema>>
      >) {
        answered += 1;
        equal(embeddings.length, 384);
        equal(metadata?.computeTokens, 256);
      }
      client.close();
      equal(answered, messages);
    });

    test("streams that together want more than there is room for all come through, in order", async () => {
      const texts = Array.from({ length: 150 }, (_, index) => "word ".repeat(1 + (index % 40)));
      const answers = await Promise.all(
        Array.from({ length: 4 }, (_, stream) =>
          collect(
            embedOf().embedStream(each(texts.map((text) => ({ inputs: `${stream} ${text}` })))),
          ),
        ),
      );
      const expected = texts.map((text) => text.trim().split(" ").length + 3);
      for (const answered of answers) {
        deepEqual(
          answered.map(({ metadata }) => metadata?.computeTokens),
          expected,
        );
      }
    });

    test("the first bad message ends the stream, after all answers before it", async () => {
      const inputs = Array.from({ length: 60 }, (_, index) => ({
        inputs: index === 30 ? "" : "a",
      }));
      let answered = 0;
      const read = async () => {
        for await (const _ of embedOf().embedStream(each(inputs))) answered += 1;
      };
      await rejects(read(), { code: Code.InvalidArgument });
      equal(answered, 30);
      // What the stream had in work does not hold up the next call.
      equal((await embedOf().embed({ inputs: "next" })).embeddings.length, 384);
    });

    test("a caller who leaves a stream leaves nothing behind", async () => {
      const endless = (async function* () {
        for (let index = 0; ; index += 1) yield { inputs: `endless ${index}` };
      })();
      let read = 0;
      for await (const _ of embedOf().embedStream(endless)) {
        read += 1;
        if (read === 5) break;
      }
      equal((await collect(embedOf().embedStream(each([{ inputs: "next" }])))).length, 1);
    });

    test("a stream of texts is ranked as a whole", async () => {
      const rerank = createClient(Rerank, createGrpcTransport({ baseUrl: mesh.url }));
      const texts = Array.from({ length: 200 }, (_, index) => `number ${index}`);
      texts[120] = "a kitten naps on the sofa";
      const query = "a sleeping cat";
      const requests = texts.map((text) => ({ query, text, returnText: true }));
      const { ranks, metadata } = await rerank.rerankStream(each(requests));
      equal(ranks.length, texts.length);
      deepEqual([ranks[0]?.index, ranks[0]?.text], [120, texts[120]]);
      ok(ranks.every(({ score }, at) => at === 0 || score <= (ranks[at - 1]?.score ?? 0)));
      deepEqual(new Set(ranks.map(({ index }) => index)).size, texts.length);
      ok((metadata?.computeTokens ?? 0) > texts.length);
      await rejects(rerank.rerankStream(each([])), { code: Code.InvalidArgument });
    });
  });

  test(`a stream of the mesh as ${kind} keeps to the rate limit by waiting`, {
    timeout: 120_000,
  }, async () => {
    const mesh = await startMesh(kind, {
      RATELIMIT_EXEMPT_LOOPBACK: "false",
      RATELIMIT_REQUESTS_PER_SECOND: "20",
      RATELIMIT_REQUESTS_BURST: "5",
    });
    try {
      const embed = createClient(Embed, createGrpcTransport({ baseUrl: mesh.url }));
      const inputs = Array.from({ length: 15 }, (_, index) => ({ inputs: `text ${index}` }));
      equal((await collect(embed.embedStream(each(inputs)))).length, inputs.length);
    } finally {
      await mesh.stop();
    }
  });
}
