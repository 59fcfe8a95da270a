// The status of the mesh, in one process and as four: it follows what happens.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "@connectrpc/connect";
import { StatusService } from "../gen/arrowmesh/status/v1/status_pb.js";
import type { ProcessJson, StatusJson } from "../services/gateway/status/page/status-json.js";
import { grpcClientOf, post, transportsOf } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh, startRole } from "./support/mesh-process.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const roles = ["gateway", "inference", "ratelimit", "tokenizer"];

for (const kind of kinds) {
  describe(`the status of the mesh as ${kind}`, { timeout: 300_000 }, () => {
    let mesh: Mesh;
    before(async () => {
      // Nothing is remembered, so every text costs a model's run.
      mesh = await startMesh(kind, { CACHE_BYTES: "0", JAEGER_UI_URL: "https://jaeger.example/" });
    });
    after(() => mesh.stop());

    test("has every role, and each process once", async () => {
      const { processes, traceUrl } = await statusOf(mesh.url);
      equal(processes.length, kind === "one" ? 1 : 4);
      deepEqual(processes.flatMap((process) => process.roles).sort(), roles);
      equal(new Set(processes.map(({ instanceId }) => instanceId)).size, processes.length);
      ok(processes.every(({ answering, ready }) => answering && ready));
      equal(traceUrl, "https://jaeger.example/trace/");
    });

    test("counts requests, batches, tokens and decisions, and not those who watch", async () => {
      const earlier = totalsOf(await statusOf(mesh.url));
      const texts = Array.from({ length: 5 }, (_, at) => `status of ${kind}, text ${at}`);
      for (const inputs of texts) {
        equal((await post(`${mesh.url}/embed`, { inputs })).status, 200);
      }
      equal((await post(`${mesh.url}/embed`, { inputs: "" })).status, 400);
      for (let time = 0; time < 3; time += 1) await sleep(600).then(() => statusOf(mesh.url));
      const later = totalsOf(await statusOf(mesh.url));
      equal(later.answered - earlier.answered, 5);
      equal(later.mistaken - earlier.mistaken, 1);
      equal(later.computed - earlier.computed, 5);
      equal(later.queued - earlier.queued, 5);
      ok(later.tokens - earlier.tokens > 25);
      ok(later.uptimeMs > earlier.uptimeMs);
    });

    test("is the same contract over RPC", async () => {
      for (const transport of Object.values(transportsOf(mesh.url))) {
        const { processes } = await createClient(StatusService, transport).getStatus({});
        deepEqual(processes.flatMap((process) => process.roles).sort(), roles);
      }
    });

    test("is a page for browsers, and numbers for everybody else", async () => {
      const page = await fetch(`${mesh.url}/status`, { headers: { accept: "text/html" } });
      match(page.headers.get("content-type") ?? "", /^text\/html/);
      match(page.headers.get("content-security-policy") ?? "", /default-src 'none'/);
      match(page.headers.get("vary") ?? "", /Accept(,|$)/);
      const scripts = [...(await page.text()).matchAll(/(?:src|href)="(\/status\/page\/[^"]+)"/g)];
      ok(scripts.length >= 3);
      for (const [, path] of scripts) equal((await fetch(`${mesh.url}${path}`)).status, 200, path);
      const numbers = await fetch(`${mesh.url}/status`);
      match(numbers.headers.get("content-type") ?? "", /^application\/json/);
      equal(numbers.headers.get("cache-control"), "no-store");
      equal((await fetch(`${mesh.url}/status/page/absent.js`)).status, 404);
      equal((await fetch(`${mesh.url}/status/page/main.test.js`)).status, 404);
      equal((await fetch(`${mesh.url}/status/page/..%2fconfig.js`)).status, 404);
    });
  });
}

describe("the status of four processes", { timeout: 300_000 }, () => {
  let mesh: Mesh;
  before(async () => {
    mesh = await startMesh("four");
  });
  after(() => mesh.stop());

  test("every role tells its own on its own port", async () => {
    for (const [role, { url }] of Object.entries(mesh.roles)) {
      const { processes } = await statusOf(url);
      deepEqual(
        processes.map((process) => process.roles),
        [[role]],
      );
      const { processes: called } = await grpcClientOf(StatusService, url).getStatus({});
      equal(called[0]?.instanceId, processes[0]?.instanceId);
    }
  });

  test("a killed role is down within seconds, and back when it is back", async () => {
    const { tokenizer } = mesh.roles;
    ok(tokenizer !== undefined);
    const [before] = await tokenizersOf(mesh);
    process.kill(tokenizer.pid, "SIGKILL");
    await tokenizer.exited;
    const down = await untilStatus(mesh, (all) => all.every(({ answering }) => !answering));
    equal(down[0]?.instanceId, before?.instanceId);
    ok((down[0]?.problem ?? "") !== "");
    ok((down[0]?.ageMs ?? 0) >= 3_000);
    // The others answer as if nothing were.
    const others = (await statusOf(mesh.url)).processes.filter(
      (process) => !process.roles.includes("tokenizer"),
    );
    ok(others.every(({ answering }) => answering));
    const back = await startRole("tokenizer", { TOKENIZER_PORT: String(tokenizer.port) });
    try {
      const up = await untilStatus(mesh, (all) => all.some(({ answering }) => answering));
      const living = up.filter(({ answering }) => answering);
      equal(living.length, 1);
      ok(living[0]?.instanceId !== before?.instanceId);
    } finally {
      await back.stop();
    }
  });
});

test("replicas of a role behind one address are told apart", { timeout: 300_000 }, async (t) => {
  const [first, second] = await Promise.all([startRole("tokenizer"), startRole("tokenizer")]);
  t.after(() => Promise.all([first.stop(), second.stop()]));
  const address = `ipv4:127.0.0.1:${first.port},127.0.0.1:${second.port}`;
  const mesh = await startMesh("one", { TOKENIZER_ADDRESS: address });
  t.after(() => mesh.stop());
  const both = await untilStatus(mesh, (all) => all.length === 2);
  ok(both.every(({ answering, ready }) => answering && ready));
  equal(new Set(both.map(({ instanceId }) => instanceId)).size, 2);
  process.kill(second.pid, "SIGKILL");
  const one = await untilStatus(mesh, (all) => all.some(({ answering }) => !answering));
  equal(one.filter(({ answering }) => answering).length, 1);
});

test("with a key the numbers need it; the page, which has none, does not", {
  timeout: 120_000,
}, async (t) => {
  const mesh = await startMesh("one", { API_KEY: "sesame" });
  t.after(() => mesh.stop());
  const get = async (path: string, headers: Readonly<Record<string, string>> = {}) =>
    (await fetch(`${mesh.url}${path}`, { headers })).status;
  equal(await get("/status"), 401);
  equal(await get("/status", { authorization: "Bearer sesam" }), 401);
  equal(await get("/status", { authorization: "Bearer sesame" }), 200);
  equal(await get("/status", { accept: "text/html" }), 200);
  equal(await get("/status/page/main.js"), 200);
});

async function statusOf(url: string): Promise<StatusJson> {
  const answer = await fetch(`${url}/status`);
  equal(answer.status, 200);
  // What the contract says.
  return (await answer.json()) as StatusJson;
}

async function tokenizersOf(mesh: Mesh): Promise<readonly ProcessJson[]> {
  const { processes } = await statusOf(mesh.url);
  return processes.filter((process) => process.roles.includes("tokenizer"));
}

/** Looks once a second, as the page does, until the tokenizers are as they should be. */
async function untilStatus(
  mesh: Mesh,
  isSo: (tokenizers: readonly ProcessJson[]) => boolean,
): Promise<readonly ProcessJson[]> {
  for (let second = 0; second < 30; second += 1) {
    const all = await tokenizersOf(mesh);
    if (isSo(all)) return all;
    await sleep(1_000);
  }
  throw new Error(`after 30 s: ${JSON.stringify(await tokenizersOf(mesh))}`);
}

/** Some totals of all processes together. */
function totalsOf({ processes }: StatusJson) {
  const sum = (read: (process: ProcessJson) => readonly number[]) =>
    processes.flatMap(read).reduce((total, value) => total + value, 0);
  const requests = (isMeant: (status: number) => boolean) =>
    sum(({ calls }) =>
      calls
        .filter(({ role, httpStatus }) => role === "gateway" && isMeant(httpStatus))
        .flatMap(({ seconds }) => seconds?.counts ?? []),
    );
  return {
    answered: requests((status) => status === 200),
    mistaken: requests((status) => status >= 400 && status < 500),
    computed: sum(({ gateway }) => [gateway?.cacheMisses ?? 0]),
    queued: sum(({ models }) => models.flatMap((model) => model.queueSeconds?.counts ?? [])),
    tokens: sum(({ models }) => models.map((model) => model.tokens)),
    uptimeMs: sum(({ uptimeMs }) => [uptimeMs]),
  };
}
