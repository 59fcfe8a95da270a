// What the error table says, for every kind of bad input, in one process and as four.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { post } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const tooManyTokens = "word ".repeat(400);

/** Body, and the status of the native and of the OpenAI route; each takes the body under its own field. */
const cases: readonly (readonly [name: string, inputs: unknown, native: number, openAi: number])[] =
  [
    ["an empty text", "", 400, 400],
    ["an empty list", [], 400, 400],
    ["a list with an empty text", ["a", ""], 400, 400],
    ["null", null, 422, 400],
    ["a number", 5, 422, 400],
    ["an object", { text: "a" }, 422, 400],
    ["a list with null", ["a", null], 422, 400],
    ["a lone surrogate", "a\ud800b", 400, 400],
  ];

for (const kind of kinds) {
  describe(`the mesh as ${kind}`, { timeout: 300_000 }, () => {
    let mesh: Mesh;
    before(async () => {
      mesh = await startMesh(kind);
    });
    after(() => mesh.stop());

    for (const [name, inputs, native, openAi] of cases) {
      test(`${name} is refused`, async () => {
        const asNative = await post(`${mesh.url}/embed`, { inputs });
        equal(asNative.status, native);
        const body = asNative.json as Record<string, unknown>;
        match(String(body.error), /./);
        match(String(body.error_type), /^(Empty|Validation)$/);
        equal(body.request_id, asNative.headers.get("x-request-id"));

        const asOpenAi = await post(`${mesh.url}/v1/embeddings`, { input: inputs });
        equal(asOpenAi.status, openAi);
        const { error } = asOpenAi.json as { error: Record<string, unknown> };
        equal(error.type, "invalid_request_error");
        match(String(error.message), /./);
      });
    }

    test("a text over the token limit is cut, or refused on request", async () => {
      const cut = await post(`${mesh.url}/embed`, { inputs: tooManyTokens });
      equal(cut.status, 200);
      const whole = await post(`${mesh.url}/embed`, { inputs: tooManyTokens, truncate: false });
      equal(whole.status, 422);
      const { error } = whole.json as { error: string };
      equal(error, "Input validation error: `inputs` must have less than 256 tokens. Given: 402");
    });

    test("33 inputs are too many for the native route and not for OpenAI's", async () => {
      const inputs = Array.from({ length: 33 }, (_, index) => `${index}`);
      equal((await post(`${mesh.url}/embed`, { inputs })).status, 422);
      equal((await post(`${mesh.url}/v1/embeddings`, { input: inputs })).status, 200);
    });

    test("null for an optional field means that it is absent", async () => {
      const body = { inputs: "a", truncate: null, normalize: null, dimensions: null };
      equal((await post(`${mesh.url}/embed`, body)).status, 200);
    });

    test("what is not JSON is refused", async () => {
      for (const body of ["{", "", "{'inputs': 'a'}", '{"inputs": "a"} x']) {
        equal((await post(`${mesh.url}/embed`, body)).status, 400, body);
      }
      const notUtf8 = Buffer.concat([
        Buffer.from('{"inputs": "'),
        Buffer.from([0xff]),
        Buffer.from('"}'),
      ]);
      equal((await post(`${mesh.url}/embed`, notUtf8)).status, 400);
    });

    test("another content type is refused", async () => {
      const answer = await post(`${mesh.url}/embed`, "inputs=a", { "content-type": "text/plain" });
      equal(answer.status, 415);
    });

    test("a body of 10 MB is refused", async () => {
      const answer = await post(`${mesh.url}/embed`, { inputs: "a".repeat(10_000_000) });
      equal(answer.status, 413);
    });

    test("an unknown model, route or method is refused", async () => {
      const model = await post(`${mesh.url}/v1/embeddings`, { input: "a", model: "nope" });
      equal(model.status, 404);
      equal((model.json as { error: { code: string } }).error.code, "model_not_found");
      equal((await post(`${mesh.url}/nope`, {})).status, 404);
      const get = await fetch(`${mesh.url}/embed`);
      equal(get.status, 405);
      equal(get.headers.get("allow"), "POST");
      deepEqual(Object.keys((await get.json()) as object).sort(), [
        "error",
        "error_type",
        "request_id",
      ]);
    });

    test("a Protobuf string that is not UTF-8 is the caller's mistake", async () => {
      const path = `${mesh.url}/arrowmesh.gateway.v1.GatewayService/Embed`;
      const inputs = Uint8Array.of(0x12, 0x02, 0xff, 0xfe);
      const { status, json } = await post(path, inputs, { "content-type": "application/proto" });
      equal(status, 400);
      equal((json as { code: string }).code, "invalid_argument");
    });

    test("no answer shows a stack, a path or a secret", async () => {
      const answers = await Promise.all([
        post(`${mesh.url}/embed`, "{"),
        post(`${mesh.url}/embed`, { inputs: 5 }),
        post(`${mesh.url}/v1/embeddings`, { input: "a", model: "../../etc/passwd" }),
      ]);
      for (const { json } of answers) {
        ok(!/\bat .*:\d+:\d+|node_modules|\/dist\//.test(JSON.stringify(json)));
      }
    });
  });
}
