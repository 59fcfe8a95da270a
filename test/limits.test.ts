// What a caller sees when a limit or the queue refuses, in one process and as four.

import { equal, match, ok, rejects } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { QuotaFailureSchema, RetryInfoSchema } from "../gen/google/rpc/error_details_pb.js";
import { gatewayOf, post } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { temporaryFolder, write, writeEmbedding } from "./support/tiny-models.js";
import { until } from "./support/until.js";

const kinds: readonly MeshKind[] = ["one", "four"];

for (const kind of kinds) {
  describe(`the mesh as ${kind}`, { timeout: 300_000 }, () => {
    test("requests over the limit are refused, and say when to come back", async () => {
      const mesh = await startMesh(kind, {
        RATELIMIT_EXEMPT_LOOPBACK: "false",
        RATELIMIT_REQUESTS_PER_SECOND: "1",
        RATELIMIT_REQUESTS_BURST: "3",
      });
      try {
        const answers = [];
        for (let i = 0; i < 5; i += 1)
          answers.push(await post(`${mesh.url}/embed`, { inputs: "a" }));
        const refused = answers.filter(({ status }) => status === 429);
        ok(refused.length >= 1 && refused.length <= 2);
        match(refused[0]?.headers.get("retry-after") ?? "", /^[12]$/);

        const gateway = gatewayOf(createGrpcTransport({ baseUrl: mesh.url }));
        const spend = async () => {
          for (let i = 0; i < 4; i += 1) await gateway.embed({ inputs: ["a"] });
        };
        await rejects(spend(), (error) => {
          ok(error instanceof ConnectError);
          equal(error.code, Code.ResourceExhausted);
          equal(error.findDetails(QuotaFailureSchema)[0]?.violations.length, 1);
          ok(error.findDetails(RetryInfoSchema)[0]?.retryDelay);
          return true;
        });
      } finally {
        await mesh.stop();
      }
    });

    test("tokens are counted exactly, and given back when a request fails", async (t) => {
      const models = temporaryFolder(t);
      writeSmallVocabulary(join(models, "small"));
      const mesh = await startMesh(kind, {
        MODEL_REPOSITORY: models,
        RATELIMIT_EXEMPT_LOOPBACK: "false",
        RATELIMIT_TOKENS_PER_MINUTE: "20",
      });
      try {
        const embed = (inputs: string) => post(`${mesh.url}/embed`, { inputs });
        const ten = "one two three four five six seven eight nine ten";
        // 12 of 20 tokens, given back because the model refuses their ids.
        const refused = await post(`${mesh.url}/v1/embeddings`, { model: "small", input: ten });
        equal(refused.status, 400);
        await untilReleased(mesh.roles.ratelimit?.url ?? mesh.url);
        equal((await embed(ten)).status, 200);
        equal((await embed(ten)).status, 429);
        equal((await embed("hello")).status, 200);
        // More than the limit ever allows: no time to come back is promised.
        const never = await embed("word ".repeat(100));
        equal(never.status, 429);
        equal(never.headers.get("retry-after"), null);
      } finally {
        await mesh.stop();
      }
    });

    for (const bound of ["INFERENCE_QUEUE_MAX", "ADMITTED_INPUTS_MAX"]) {
      test(`with ${bound}, what is too much is shed, and what was accepted is answered`, async () => {
        await withMesh(kind, { [bound]: "4", INFERENCE_WORKERS: "1" }, shedsSome);
      });
    }
  });
}

async function withMesh(
  kind: MeshKind,
  env: NodeJS.ProcessEnv,
  use: (mesh: Mesh) => Promise<void>,
): Promise<void> {
  const mesh = await startMesh(kind, env);
  try {
    await use(mesh);
  } finally {
    await mesh.stop();
  }
}

async function shedsSome({ url }: Mesh): Promise<void> {
  const flood = Array.from({ length: 60 }, (_, index) =>
    post(`${url}/embed`, { inputs: `${"long ".repeat(150)}${index}` }),
  );
  const answers = await Promise.all(flood);
  const shed = answers.filter(({ status }) => status === 429);
  equal(shed.length + answers.filter(({ status }) => status === 200).length, 60);
  ok(shed.length > 0);
  for (const { headers, json } of shed) {
    ok(headers.get("retry-after"));
    equal((json as { error_type: string }).error_type, "Overloaded");
  }
}

/** A model whose config.json knows fewer ids than its tokenizer has. */
function writeSmallVocabulary(folder: string): void {
  writeEmbedding(folder);
  const config = JSON.parse(readFileSync(join(folder, "config.json"), "utf8"));
  write(folder, { "config.json": { ...config, vocab_size: 200 } });
}

/** Reservations are settled after the answer; the service that holds them counts that. */
async function untilReleased(url: string): Promise<void> {
  const released = /^arrowmesh_ratelimit_reservations_total\{event="released"\} 1$/m;
  await until(async () => released.test(await (await fetch(`${url}/metrics`)).text()));
}
