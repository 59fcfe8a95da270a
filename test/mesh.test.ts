// The path of a request, through every protocol, in one process and as four: the same tests.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { VectorEncoding } from "../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { gatewayOf, post, transportsOf } from "./support/clients.js";
import { cosine, goldenMissing, readGoldenEmbeddings } from "./support/golden.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";

const kinds: readonly MeshKind[] = ["one", "four"];

for (const kind of kinds) {
  describe(`the mesh as ${kind}`, { timeout: 300_000 }, () => {
    let mesh: Mesh;
    before(async () => {
      mesh = await startMesh(kind);
    });
    after(() => mesh.stop());

    test("every protocol gives the same vector for the same text", async () => {
      const { json } = await post(`${mesh.url}/embed`, { inputs: "a river of paper" });
      const [expected] = json as number[][];
      ok(expected);
      equal(expected.length, 384);
      for (const [name, transport] of Object.entries(transportsOf(mesh.url))) {
        const { embeddings } = await gatewayOf(transport).embed({ inputs: ["a river of paper"] });
        ok(distance(embeddings[0]?.values ?? [], expected) <= 1e-6, name);
      }
    });

    test("vectors are those of the fp32 model", { skip: goldenMissing }, async () => {
      const golden = readGoldenEmbeddings();
      const gateway = gatewayOf(createGrpcTransport({ baseUrl: mesh.url }));
      const { embeddings } = await gateway.embed({ inputs: golden.map(({ text }) => text) });
      const cosines = golden.map(({ embedding }, index) =>
        cosine(embedding, embeddings[index]?.values ?? []),
      );
      ok(Math.min(...cosines) >= 0.985, `min ${Math.min(...cosines)}`);
      const mean = cosines.reduce((sum, value) => sum + value, 0) / cosines.length;
      ok(mean >= 0.995, `mean ${mean}`);
    });

    test("a vector does not depend on what shares its batch", async () => {
      const texts = Array.from({ length: 64 }, (_, index) => "word ".repeat(1 + (index % 40)));
      const gateway = gatewayOf(createGrpcTransport({ baseUrl: mesh.url }));
      const together = await gateway.embed({ inputs: texts });
      for (const index of [0, 7, 39, 63]) {
        const alone = await gateway.embed({ inputs: [texts[index] ?? ""] });
        const pair = [alone.embeddings[0]?.values, together.embeddings[index]?.values];
        ok(distance(pair[0] ?? [], pair[1] ?? []) <= 1e-6);
      }
    });

    test("float32 bytes hold the same numbers as values", async () => {
      const gateway = gatewayOf(createGrpcTransport({ baseUrl: mesh.url }));
      const inputs = ["two", "texts"];
      const asValues = await gateway.embed({ inputs });
      const asBytes = await gateway.embed({ inputs, encoding: VectorEncoding.FLOAT32_LE });
      for (const [index, { float32Le, values }] of asBytes.embeddings.entries()) {
        deepEqual(values, []);
        const bytes = new Uint8Array(float32Le);
        const numbers = [...new Float32Array(bytes.buffer)];
        ok(distance(numbers, asValues.embeddings[index]?.values ?? []) <= 1e-6);
      }
    });

    test("fewer dimensions are the first ones, with length 1 again", async () => {
      const { json } = await post(`${mesh.url}/embed`, { inputs: "short", dimensions: 8 });
      const whole = (await post(`${mesh.url}/embed`, { inputs: "short" })).json as number[][];
      const [cut] = json as number[][];
      equal(cut?.length, 8);
      ok(Math.abs(Math.hypot(...(cut ?? [])) - 1) < 1e-6);
      ok(cosine(cut ?? [], whole[0]?.slice(0, 8) ?? []) > 0.999_999);
    });

    test("normalize false keeps the length that the model gave", async () => {
      const body = { inputs: "hello world", normalize: false };
      const [raw] = (await post(`${mesh.url}/embed`, body)).json as number[][];
      const [unit] = (await post(`${mesh.url}/embed`, { inputs: "hello world" }))
        .json as number[][];
      ok(Math.hypot(...(raw ?? [])) > 2);
      ok(cosine(raw ?? [], unit ?? []) > 0.999_99);
    });

    test("usage counts the tokens that the model read", async () => {
      const { json } = await post(`${mesh.url}/v1/embeddings`, { input: ["hello world", "a"] });
      deepEqual((json as { usage: unknown }).usage, { prompt_tokens: 7, total_tokens: 7 });
    });

    test("a stream answers in order and outlives a bad text", async () => {
      const gateway = gatewayOf(createGrpcTransport({ baseUrl: mesh.url }));
      const inputs = Array.from({ length: 200 }, (_, index) =>
        index === 50 ? "" : `text ${index}`,
      );
      const seen: bigint[] = [];
      let failed = 0;
      for await (const { index, result } of gateway.embedStream(each(inputs))) {
        seen.push(index);
        if (result.case !== "error") continue;
        failed += 1;
        equal(index, 50n);
        equal(result.value.code, Code.InvalidArgument);
      }
      deepEqual(
        seen,
        inputs.map((_, index) => BigInt(index)),
      );
      equal(failed, 1);
    });

    test("a deadline that is too short ends the call", async () => {
      const gateway = gatewayOf(createGrpcTransport({ baseUrl: mesh.url }));
      const inputs = Array.from({ length: 512 }, (_, index) => `${"long ".repeat(200)}${index}`);
      await rejects(gateway.embed({ inputs }, { timeoutMs: 50 }), { code: Code.DeadlineExceeded });
      // What the deadline dropped does not hold up the next call.
      await gateway.embed({ inputs: ["next"] });
    });

    test("more inputs than wait in the queue are still one request", async () => {
      const gateway = gatewayOf(createGrpcTransport({ baseUrl: mesh.url }));
      const inputs = Array.from({ length: 1_000 }, (_, index) => `${index}`);
      const { embeddings } = await gateway.embed({ inputs, encoding: VectorEncoding.FLOAT32_LE });
      equal(embeddings.length, 1_000);
    });
  });
}

async function* each(inputs: readonly string[]) {
  for (const input of inputs) yield { input, encoding: VectorEncoding.FLOAT32_LE };
}

/** Largest difference; NaN, which is no distance at all, when the lengths differ. */
function distance(a: readonly number[], b: readonly number[]): number {
  if (a.length !== b.length) return Number.NaN;
  return Math.max(...a.map((value, index) => Math.abs(value - (b[index] ?? Number.NaN))));
}
