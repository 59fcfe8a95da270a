// One key for every protocol of the public port.

import { deepEqual, equal, rejects } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { RepositoryService } from "../gen/arrowmesh/inference/v1/repository_pb.js";
import { Health } from "../gen/grpc/health/v1/health_pb.js";
import { GRPCInferenceService } from "../gen/inference/grpc_service_pb.js";
import { Embed } from "../gen/tei/v1/tei_pb.js";
import { gatewayOf, post, transportsOf } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const authorized = { authorization: "Bearer sesame" };

const work: readonly (readonly [path: string, body: unknown])[] = [
  ["/embed", { inputs: "a" }],
  ["/", { inputs: "a" }],
  ["/tokenize", { inputs: "a" }],
  ["/vertex", { instances: [{ inputs: "a" }] }],
  ["/v1/embeddings", { input: "a" }],
  ["/v2/repository/index", {}],
];

for (const kind of kinds) {
  describe(`the mesh as ${kind}, with a key`, { timeout: 300_000 }, () => {
    let mesh: Mesh;
    before(async () => {
      mesh = await startMesh(kind, { API_KEY: "sesame" });
    });
    after(() => mesh.stop());

    for (const [path, body] of work) {
      test(`POST ${path} needs the key`, async () => {
        const refused = await post(`${mesh.url}${path}`, body);
        equal(refused.status, 401);
        equal(refused.headers.get("www-authenticate"), "Bearer");
        equal(JSON.stringify(refused.json).includes("No valid auth token"), true);
        equal((await post(`${mesh.url}${path}`, body, authorized)).status, 200);
      });
    }

    test("facts need the key; probes and metrics do not", async () => {
      const statusOf = async (path: string) => (await fetch(`${mesh.url}${path}`)).status;
      deepEqual(await Promise.all(["/info", "/v2", "/v2/models/x"].map(statusOf)), [401, 401, 401]);
      const open = ["/", "/health", "/ready", "/ping", "/metrics", "/v2/health/live", "/docs"];
      deepEqual(
        await Promise.all(open.map(statusOf)),
        open.map(() => 200),
      );
    });

    test("a body is not waited for", async () => {
      const body = "x".repeat(1_000_000);
      equal((await post(`${mesh.url}/embed`, body)).status, 401);
    });

    test("every protocol of RPC needs the key, in streams too", async () => {
      for (const transport of Object.values(transportsOf(mesh.url))) {
        const gateway = gatewayOf(transport);
        const refusal = (error: unknown) =>
          error instanceof ConnectError &&
          error.code === Code.Unauthenticated &&
          error.rawMessage === "No valid auth token";
        await rejects(gateway.embed({ inputs: ["a"] }), refusal);
        const answer = await gateway.embed({ inputs: ["a"] }, { headers: authorized });
        equal(answer.embeddings.length, 1);
        await rejects(createClient(Embed, transport).embed({ inputs: "a" }), refusal);
        await rejects(createClient(RepositoryService, transport).listVersions({}), refusal);
        await rejects(createClient(GRPCInferenceService, transport).serverMetadata({}), refusal);
      }
    });

    test("health of gRPC does not", async () => {
      const { gRPC } = transportsOf(mesh.url);
      if (gRPC === undefined) throw new Error("no transport for gRPC");
      equal((await createClient(Health, gRPC).check({})).status, 1);
      const stream = gatewayOf(gRPC).embedStream(requests());
      await rejects(async () => {
        for await (const _ of stream);
      }, /No valid auth token/);
    });
  });
}

async function* requests() {
  yield { input: "a" };
}
