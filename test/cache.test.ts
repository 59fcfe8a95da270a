// What is remembered and what is shared between requests, in one process and as four: seen by metrics and by vectors.

import { deepEqual, equal, notDeepEqual, ok } from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Client } from "@connectrpc/connect";
import { GatewayService } from "../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { packageRoot } from "../lib/package-root.js";
import { grpcClientOf, post } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { writeEmbedding } from "./support/tiny-models.js";
import { areClose, tinyVectors } from "./support/tiny-vectors.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const prompts = { query: "query: ", passage: "passage: " };

for (const kind of kinds) {
  describe(`the mesh as ${kind}`, { timeout: 120_000 }, () => {
    const root = mkdtempSync(join(tmpdir(), "arrowmesh-cache-"));
    let mesh: Mesh;
    let gateway: Client<typeof GatewayService>;
    before(async () => {
      writeEmbedding(join(root, "first"), { prompts, isNormalized: false });
      writeEmbedding(join(root, "models/other"), { shift: 0.5 });
      symlinkSync(join(packageRoot, "models/all-MiniLM-L6-v2"), join(root, "models/slow"));
      mesh = await startMesh(kind, {
        MODEL_PATH: join(root, "first"),
        MODEL_REPOSITORY: join(root, "models"),
        INFERENCE_WORKERS: "1",
      });
      gateway = grpcClientOf(GatewayService, mesh.url);
    });
    after(async () => {
      await mesh.stop();
      rmSync(root, { recursive: true });
    });

    const embed = async (inputs: string | string[], more: object = {}): Promise<number[][]> => {
      const { status, json } = await post(`${mesh.url}/embed`, { inputs, ...more });
      equal(status, 200);
      return json as number[][];
    };
    /** How much each counter grows while something is done. */
    const grown = async (act: () => Promise<unknown>) => {
      const before = await countsOf(mesh);
      await act();
      const now = await countsOf(mesh);
      return now.map((count, index) => count - (before[index] ?? 0));
    };

    test("the second identical request is answered from memory, with the same numbers", async () => {
      let [first, second]: number[][][] = [];
      deepEqual(
        await grown(async () => {
          first = await embed("once");
        }),
        [0, 1, 0, 1],
      );
      deepEqual(
        await grown(async () => {
          second = await embed("once");
        }),
        [1, 0, 0, 0],
      );
      deepEqual(second, first);
    });

    test("every protocol and route shares what is remembered", async () => {
      await embed("shared");
      const counts = await grown(async () => {
        await gateway.embed({ inputs: ["shared"] });
        await post(`${mesh.url}/v1/embeddings`, { input: "shared" });
      });
      deepEqual(counts, [2, 0, 0, 0]);
    });

    test("only what is new is computed, and the answer keeps the order", async () => {
      await embed(["b", "d"]);
      const inputs = ["a", "b", "c", "d", "e", "b"];
      const counts = await grown(async () => {
        ok(areClose(await embed(inputs), await tinyVectors(inputs)));
      });
      deepEqual(counts, [3, 3, 0, 3]);
    });

    test("identical requests at the same time are computed once", async () => {
      // Enough work that all have come before it is done.
      const inputs = Array.from({ length: 8 }, (_, index) => `${"together ".repeat(200)}${index}`);
      const counts = await grown(async () => {
        const calls = Array.from({ length: 4 }, () => gateway.embed({ model: "slow", inputs }));
        const [first, ...others] = await Promise.all(calls);
        for (const other of others) deepEqual(other, first);
      });
      deepEqual(counts, [0, 8, 24, 8]);
    });

    test("a text that is there twice in a request is computed once", async () => {
      const counts = await grown(() => embed(["twice", "twice", "thrice"]));
      deepEqual(counts, [0, 2, 1, 2]);
    });

    test("different options do not mix", async () => {
      const unit = await embed("options");
      const raw = await embed("options", { normalize: false });
      notDeepEqual(raw, unit);
      deepEqual(await embed("options", { dimensions: 4 }), unit);
      const [cut = []] = await embed("options", { dimensions: 2 });
      ok(Math.abs(Math.hypot(...cut) - 1) < 1e-6);
      deepEqual(await embed("options", { normalize: false, dimensions: 2 }), [raw[0]?.slice(0, 2)]);
      // All again, now that everything is remembered.
      deepEqual(await embed("options"), unit);
      deepEqual(await embed("options", { normalize: false }), raw);
      deepEqual(await embed("options", { dimensions: 2 }), [cut]);
    });

    test("a prompt is part of the text: with it, by name or by hand, the vector is the same", async () => {
      const counts = await grown(async () => {
        const named = await embed("prompted", { prompt_name: "query" });
        ok(areClose(named, await tinyVectors(["query: prompted"])));
        notDeepEqual(await embed("prompted"), named);
        notDeepEqual(await embed("prompted", { prompt_name: "passage" }), named);
        deepEqual(await embed("query: prompted"), named);
      });
      deepEqual(counts, [1, 3, 0, 3]);
    });

    test("what was cut off does not count, and another model does", async () => {
      const long = "word ".repeat(300);
      await embed(long);
      deepEqual(await grown(() => embed(`${long} and more`)), [1, 0, 0, 0]);
      const { embeddings } = await gateway.embed({ model: "other", inputs: ["once"] });
      const vectors = embeddings.map(({ values }) => values);
      ok(areClose(vectors, await tinyVectors(["once"], 0.5)));
    });

    test("remembered vectors are counted in bytes", async () => {
      const bytes = await metricOf(mesh.url, "arrowmesh_gateway_cache_bytes");
      ok(bytes > 0 && bytes < 64_000_000, `${bytes}`);
    });
  });

  test(`without CACHE_BYTES the mesh as ${kind} computes everything`, async (t) => {
    const root = mkdtempSync(join(tmpdir(), "arrowmesh-cache-"));
    t.after(() => rmSync(root, { recursive: true }));
    writeEmbedding(root);
    const mesh = await startMesh(kind, { MODEL_PATH: root, CACHE_BYTES: "0" });
    try {
      for (let i = 0; i < 3; i += 1) await post(`${mesh.url}/embed`, { inputs: "again" });
      deepEqual(await countsOf(mesh), [0, 3, 0, 3]);
    } finally {
      await mesh.stop();
    }
  });
}

/** Hits, misses and coalesced texts of the gateway, and sequences that the models have computed. */
async function countsOf(mesh: Mesh): Promise<number[]> {
  const names = ["hits", "misses", "coalesced"].map(
    (name) => `arrowmesh_gateway_cache_${name}_total`,
  );
  const computed = "arrowmesh_inference_batch_sequences_sum";
  return await Promise.all([
    ...names.map((name) => metricOf(mesh.url, name)),
    metricOf(mesh.roles.inference?.url ?? mesh.url, computed),
  ]);
}

/** The sum over the labels of a metric. */
async function metricOf(url: string, name: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const lines = text.split("\n").filter((line) => new RegExp(`^${name}[ {]`).test(line));
  return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
}
