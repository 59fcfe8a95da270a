// Shutdown, lost processes and replicas: no accepted request fails, and nothing hangs.

import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { gatewayOf, post } from "./support/clients.js";
import { type MeshKind, startMesh, startRole } from "./support/mesh-process.js";
import { until } from "./support/until.js";

const backMsMax = 30_000;
const kinds: readonly MeshKind[] = ["one", "four"];

for (const kind of kinds) {
  test(`SIGTERM drains the mesh as ${kind}`, { timeout: 120_000 }, async () => {
    const mesh = await startMesh(kind);
    const texts = Array.from({ length: 32 }, (_, index) => `${"long ".repeat(100)}${index}`);
    const accepted = Array.from({ length: 4 }, () => post(`${mesh.url}/embed`, { inputs: texts }));
    const grpc = gatewayOf(createGrpcTransport({ baseUrl: mesh.url }));
    const acceptedRpc = grpc.embed({ inputs: texts });
    // Opened now, so that it can ask while the server drains.
    await post(`${mesh.url}/embed`, { inputs: "open" });

    process.kill(mesh.gateway.pid, "SIGTERM");
    const late = await lateAnswer(mesh.url);
    for (const { status } of await Promise.all(accepted)) equal(status, 200);
    equal((await acceptedRpc).embeddings.length, 32);
    ok(late === 503 || late === "closed", String(late));
    equal(await mesh.gateway.exited, 0);
    await mesh.stop();
  });
}

test("a dead service is UNAVAILABLE at once, and back when it is", {
  timeout: 120_000,
}, async () => {
  const mesh = await startMesh("four");
  try {
    const { tokenizer } = mesh.roles;
    ok(tokenizer);
    process.kill(tokenizer.pid, "SIGKILL");
    await tokenizer.exited;
    const answer = await post(`${mesh.url}/embed`, { inputs: "a" });
    equal(answer.status, 503);
    ok(answer.headers.get("retry-after"));
    equal((await fetch(`${mesh.url}/ready`)).status, 503);

    const again = await startRole("tokenizer", { TOKENIZER_PORT: String(tokenizer.port) });
    await until(
      async () => (await post(`${mesh.url}/embed`, { inputs: "a" })).status === 200,
      backMsMax,
    );
    await again.stop();
  } finally {
    await mesh.stop();
  }
});

test("two tokenizers share the calls, and one may go without a failed request", {
  timeout: 120_000,
}, async () => {
  const [first, second] = await Promise.all([startRole("tokenizer"), startRole("tokenizer")]);
  const addresses = `ipv4:127.0.0.1:${first.port},127.0.0.1:${second.port}`;
  const mesh = await startMesh("one", { TOKENIZER_ADDRESS: addresses });
  try {
    const load = async () => {
      const statuses = await Promise.all(
        Array.from(
          { length: 20 },
          async () => (await post(`${mesh.url}/embed`, { inputs: "a" })).status,
        ),
      );
      return [...new Set(statuses)];
    };
    // Requests of one turn are one call, so a load may be few of them.
    await until(async () => {
      deepEqual(await load(), [200]);
      return (await callsOf(first.url)) > 0 && (await callsOf(second.url)) > 0;
    }, backMsMax);

    const running = load();
    process.kill(first.pid, "SIGTERM");
    deepEqual(await running, [200]);
    equal(await first.exited, 0);
    deepEqual(await load(), [200]);
  } finally {
    await mesh.stop();
    await Promise.all([first.stop(), second.stop()]);
  }
});

/** The answer to a request that comes while the server drains: refused, or no connection any more. */
async function lateAnswer(url: string): Promise<number | "closed"> {
  for (let tries = 0; tries < 100; tries += 1) {
    try {
      const { status } = await post(`${url}/embed`, { inputs: "late" });
      if (status !== 200) return status;
    } catch {
      return "closed";
    }
    await sleep(5);
  }
  return 200;
}

/** How many calls a role has answered, by its own metrics. */
async function callsOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const line = text
    .split("\n")
    .find((each) => /^arrowmesh_call_duration_seconds_count.*Encode/.test(each));
  return Number(line?.split(" ").at(-1) ?? 0);
}
