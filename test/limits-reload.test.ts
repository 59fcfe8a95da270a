// Limits are changed while the mesh runs, in one process and as four.

import { equal, match } from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { post } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";
import { until } from "./support/until.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const waitMsMax = 30_000;

for (const kind of kinds) {
  describe(`limits of the mesh as ${kind}`, { timeout: 120_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), "arrowmesh-limits-"));
    const path = join(folder, "limits.yaml");
    let mesh: Mesh;
    before(async () => {
      write("a", 1_000);
      mesh = await startMesh(kind, { RATELIMIT_POLICY_FILE: path });
    });
    after(async () => {
      await mesh.stop();
      rmSync(folder, { recursive: true });
    });

    const write = (name: string, quota: number | string) => {
      const limit = `{ name: ${name}, counts: requests, per: [ip], quota: ${quota}, window: 1h }`;
      writeFileSync(`${path}.next`, `limits:\n  - ${limit}\n`);
      renameSync(`${path}.next`, path);
    };
    const told = async () => {
      const { headers } = await post(`${mesh.url}/embed`, { inputs: "a" });
      return headers.get("ratelimit-policy") ?? "";
    };
    const metrics = async () => {
      const { url } = mesh.roles.ratelimit ?? mesh;
      return await (await fetch(`${url}/metrics`)).text();
    };

    test("a new version takes over, a wrong one changes nothing, and a right one follows", async () => {
      match(await told(), /^"a";q=1000;/);
      write("b", 900);
      await until(async () => (await told()).startsWith('"b";q=900;'), waitMsMax);
      write("c", "none");
      await until(
        async () => /reloads_total\{outcome="refused"\} 1$/m.test(await metrics()),
        waitMsMax,
      );
      match(await told(), /^"b";q=900;/);
      write("d", 1);
      await until(async () => (await told()).startsWith('"d";q=1;'), waitMsMax);
      equal((await post(`${mesh.url}/embed`, { inputs: "a" })).status, 429);
    });
  });
}
