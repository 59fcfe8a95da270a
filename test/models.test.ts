// Several models in several versions, loaded, replaced and routed while requests come in, in one process and as four.

import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import { GatewayService } from "../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { RepositoryService, VersionState } from "../gen/arrowmesh/inference/v1/repository_pb.js";
import {
  Health,
  HealthCheckResponse_ServingStatus as Serving,
} from "../gen/grpc/health/v1/health_pb.js";
import { grpcClientOf, post } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { write, writeBroken, writeEmbedding } from "./support/tiny-models.js";
import { areClose, tinyVectors } from "./support/tiny-vectors.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const text = "hello world";
const shifts = { first: 0, stable: 0.25, canary: 0.5 };

/** A default model, one with two versions, some to change, and one that cannot be loaded. */
function writeModels(root: string): void {
  writeEmbedding(join(root, "first"), { shift: shifts.first });
  writeEmbedding(join(root, "models/tiny/1"), { shift: shifts.stable });
  writeEmbedding(join(root, "models/tiny/2"), { shift: shifts.canary });
  write(join(root, "models/tiny"), {
    "serving.json": {
      versions: "all",
      routes: [
        { version: 1, weight: 1, label: "stable" },
        { version: 2, weight: 0, label: "canary" },
      ],
    },
  });
  for (const name of ["reloaded", "replaced", "unloaded"]) {
    writeEmbedding(join(root, "models", name, "1"));
  }
  writeBroken(join(root, "models/broken/1"));
}

for (const kind of kinds) {
  describe(`the mesh as ${kind}`, { timeout: 300_000 }, () => {
    const root = mkdtempSync(join(tmpdir(), "arrowmesh-models-"));
    let mesh: Mesh;
    let gateway: Client<typeof GatewayService>;
    let repository: Client<typeof RepositoryService>;
    before(async () => {
      writeModels(root);
      mesh = await startMesh(kind, {
        MODEL_ID: "owner/first",
        MODEL_PATH: join(root, "first"),
        MODEL_REPOSITORY: join(root, "models"),
        INFERENCE_WORKERS: "1",
      });
      gateway = grpcClientOf(GatewayService, mesh.url);
      repository = grpcClientOf(RepositoryService, mesh.url);
    });
    after(async () => {
      await mesh.stop();
      rmSync(root, { recursive: true });
    });

    const embed = async (model: string, inputs = [text]) => {
      const { status, json } = await post(`${mesh.url}/v1/embeddings`, { model, input: inputs });
      const { data = [] } = json as { data?: { embedding: number[] }[] };
      return { status, json, vectors: data.map(({ embedding }) => embedding) };
    };
    /** Rejects unless it is the vector of the model with this shift. */
    const answers = async (model: string, shift: number) => {
      const { status, vectors } = await embed(model);
      equal(status, 200, model);
      ok(areClose(vectors, await tinyVectors([text], shift)), `${model}: ${vectors}`);
    };

    test("a model answers by its name, a version by its number and by its label", async () => {
      const cases: [model: string, version: string, shift: number][] = [
        ["", "", shifts.first],
        ["first", "", shifts.first],
        ["owner/first", "1", shifts.first],
        ["tiny", "", shifts.stable],
        ["tiny", "1", shifts.stable],
        ["tiny", "2", shifts.canary],
        ["tiny", "stable", shifts.stable],
        ["tiny", "canary", shifts.canary],
      ];
      for (const [model, version, shift] of cases) {
        await answers(version === "" ? model : `${model}@${version}`, shift);
        const { embeddings } = await gateway.embed({ model, version, inputs: [text] });
        const vectors = embeddings.map(({ values }) => values);
        ok(areClose(vectors, await tinyVectors([text], shift)), `${model} ${version}`);
      }
    });

    test("an unknown model or version is not found, whatever it looks like", async () => {
      const unknown = ["nope", "tiny@3", "tiny@nightly", "tiny@2@1", "tiny@../1", "../first"];
      for (const model of [...unknown, "broken", "other/tiny", "tiny/1"]) {
        const { status, json } = await embed(model);
        equal(status, 404, model);
        equal((json as { error: { code: string } }).error.code, "model_not_found");
      }
      const call = gateway.embed({ model: "tiny", version: "3", inputs: [text] });
      await rejects(call, { code: Code.NotFound });
    });

    test("a model that cannot be loaded says why, and leaves the others serving", async () => {
      const { versions } = await repository.listVersions({});
      const broken = versions.filter(({ state }) => state !== VersionState.READY);
      deepEqual(
        broken.map(({ model, version, state }) => [model, version, state]),
        [["broken", "1", VersionState.UNAVAILABLE]],
      );
      match(broken[0]?.reason ?? "", /model\.onnx/);
      await rejects(repository.loadModel({ model: "broken" }), { code: Code.InvalidArgument });
      await answers("tiny", shifts.stable);
    });

    test("every model has health of its own, at the edge and at inference", async () => {
      for (const url of [mesh.url, mesh.roles.inference?.url ?? mesh.url]) {
        const health = grpcClientOf(Health, url);
        for (const service of ["owner/first", "tiny", "reloaded"]) {
          equal((await health.check({ service })).status, Serving.SERVING, service);
        }
        const { statuses } = await health.list({});
        equal(statuses.tiny?.status, Serving.SERVING);
        await rejects(health.check({ service: "nope" }), { code: Code.NotFound });
      }
    });

    test("routes and labels move, until the model is loaded again", async () => {
      await repository.routeModel({
        model: "tiny",
        routes: [
          { version: "1", weight: 0, label: "canary" },
          { version: "2", weight: 1, label: "stable" },
        ],
      });
      await until(() => answers("tiny", shifts.canary));
      await answers("tiny@stable", shifts.canary);
      await answers("tiny@canary", shifts.stable);
      const unknown = { model: "tiny", routes: [{ version: "3", weight: 1 }] };
      await rejects(repository.routeModel(unknown), { code: Code.NotFound });
      const none = { model: "tiny", routes: [{ version: "1", weight: 0 }] };
      await rejects(repository.routeModel(none), { code: Code.InvalidArgument });
      await answers("tiny", shifts.canary);

      await repository.loadModel({ model: "tiny" });
      await until(() => answers("tiny", shifts.stable));
      await answers("tiny@canary", shifts.canary);
    });

    test("an unloaded model is not found, and back when it is loaded", async () => {
      await answers("unloaded", 0);
      await repository.unloadModel({ model: "unloaded" });
      await until(async () => equal((await embed("unloaded")).status, 404));
      await rejects(repository.unloadModel({ model: "unloaded" }), { code: Code.NotFound });
      const { versions } = await repository.listVersions({});
      const found = versions.find(({ model }) => model === "unloaded");
      equal(found?.state, VersionState.UNAVAILABLE);
      await repository.loadModel({ model: "unloaded" });
      await answers("unloaded", 0);
    });

    test("20 reloads under load fail no request, and mix no two models in an answer", async () => {
      const folder = join(root, "models/reloaded/1");
      const shiftOf = (reload: number) => reload / 64;
      const served = await underLoad(embed, "reloaded", async () => {
        for (let reload = 1; reload <= 20; reload += 1) {
          const next = join(root, `next-${reload}`);
          writeEmbedding(next, { shift: shiftOf(reload) });
          renameSync(join(next, "onnx/model.onnx"), join(folder, "onnx/model.onnx"));
          await repository.loadModel({ model: "reloaded" });
        }
      });
      for (const { inputs, vectors } of served) {
        const candidates = await Promise.all(
          Array.from({ length: 21 }, (_, reload) => tinyVectors(inputs, shiftOf(reload))),
        );
        ok(
          candidates.some((candidate) => areClose(vectors, candidate)),
          `${inputs}`,
        );
      }
      await until(() => answers("reloaded", shiftOf(20)));
    });

    test("versions that replace each other under load fail no request", async () => {
      const folder = join(root, "models/replaced");
      await underLoad(embed, "replaced", async () => {
        for (let version = 2; version <= 5; version += 1) {
          const next = join(root, `version-${version}`);
          writeEmbedding(next, { shift: version / 8 });
          renameSync(next, join(folder, `${version}`));
          await repository.loadModel({ model: "replaced" });
          // Away in one step, so that nobody reads half a folder.
          renameSync(join(folder, `${version - 1}`), join(root, `old-${version - 1}`));
          await until(() => answers("replaced", version / 8));
        }
      });
      equal((await embed("replaced@4")).status, 404);
    });
  });
}

interface EmbedAnswer {
  readonly status: number;
  readonly json: unknown;
  readonly vectors: number[][];
}

interface Served {
  readonly inputs: readonly string[];
  readonly vectors: readonly (readonly number[])[];
}

/** Requests, four at a time, while something is done; every one must be answered. Returns the answers. */
async function underLoad(
  embed: (model: string, inputs: string[]) => Promise<EmbedAnswer>,
  model: string,
  act: () => Promise<void>,
): Promise<readonly Served[]> {
  const served: Served[] = [];
  let isOver = false;
  let count = 0;
  const load = async (): Promise<void> => {
    while (!isOver) {
      count += 1;
      // One text that is new, and one that the cache may know.
      const inputs = [`new ${count}`, `known ${count % 5}`];
      const { status, json, vectors } = await embed(model, inputs);
      equal(status, 200, `request ${count}: ${JSON.stringify(json)}`);
      served.push({ inputs, vectors });
    }
  };
  const loads = Promise.allSettled(Array.from({ length: 4 }, load));
  try {
    await act();
  } finally {
    isOver = true;
  }
  const failed = (await loads).find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
  ok(served.length > 20, `only ${served.length} requests`);
  return served;
}

/** What one process changed reaches another soon after. */
async function until(check: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > deadline || error instanceof ConnectError) throw error;
      await sleep(50);
    }
  }
}
