// A policy of tiers, users, models, addresses and slots as callers meet it, in one process and as four.

import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { QuotaFailureSchema } from "../gen/google/rpc/error_details_pb.js";
import { gatewayOf, post, transportsOf } from "./support/clients.js";
import { type Mesh, type MeshKind, startMesh } from "./support/mesh-process.js";

const kinds: readonly MeshKind[] = ["one", "four"];
const model = "sentence-transformers/all-MiniLM-L6-v2";
const key = "sesame";
const authorization = `Bearer ${key}`;

const policy = `limits:
  - { name: premium, counts: requests, per: [caller], when: { tier: premium }, quota: 100000, window: 1m }
  - { name: of-the-model, counts: tokens, per: [model], when: { model: ${model} }, quota: 10000000, window: 1m }
  - { name: per-user, counts: requests, per: [user], when: { user: "few-*" }, quota: 3, window: 1h }
  - { name: tokens-per-user, counts: tokens, per: [user], when: { user: "tokens-*" }, quota: 30, window: 1d }
  - { name: slots-per-user, counts: concurrent_requests, per: [user], when: { user: "slots-*" }, quota: 1 }
  - { name: per-address, counts: requests, per: [ip], when: { ip: ["203.0.113.7", "203.0.113.8"] }, quota: 2, window: 1h }
`;
const premiumTold = '"premium";q=100000;qu="requests";w=60';
const modelTold = '"of-the-model";q=10000000;qu="tokens";w=60';

for (const kind of kinds) {
  describe(`the mesh as ${kind}, with a policy`, { timeout: 300_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), "arrowmesh-policy-"));
    const file = join(folder, "policy.yaml");
    let mesh: Mesh;
    before(async () => {
      writeFileSync(file, policy);
      mesh = await startMesh(kind, {
        ...{ API_KEY: key, API_KEY_TIER: "premium", TRUSTED_PROXIES: "127.0.0.1" },
        RATELIMIT_POLICY_FILE: file,
      });
    });
    after(async () => {
      rmSync(folder, { recursive: true });
      await mesh.stop();
    });

    const ask = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}) =>
      post(`${mesh.url}${path}`, body, { authorization, ...headers });
    const askFor = (user: string, inputs: string | readonly string[]) =>
      ask("/embed", { inputs }, { "x-arrowmesh-user": user });

    test("texts that were computed before cost no tokens, and of others exactly those", async () => {
      const ten = "one two three four five six seven eight nine ten";
      const left = async (inputs: string | readonly string[]) => {
        const { status, headers } = await askFor("tokens-carol", inputs);
        equal(status, 200, String(inputs));
        const told = headers.get("ratelimit") ?? "";
        return Number(/"tokens-per-user";r=(\d+)/.exec(told)?.[1]);
      };
      const ratelimit = mesh.roles.ratelimit?.url ?? mesh.url;
      const before = await settledOf(ratelimit);
      // 12 of 30 tokens are spent; what is told of a repeated text is told before its tokens come back.
      equal(await left(ten), 18);
      for (let repeated = 1; repeated <= 4; repeated += 1) {
        await untilSettled(ratelimit, before + repeated);
        equal(await left(ten), 6);
      }
      await untilSettled(ratelimit, before + 5);
      // Of 15 tokens 3 are new.
      equal(await left([ten, "hello"]), 3);
      await untilSettled(ratelimit, before + 6);
      equal(await left("hello"), 12);
      await untilSettled(ratelimit, before + 7);
      // 15 are left: enough for 13, and then not for 12.
      equal(await left("one two three four five six seven eight nine ten eleven"), 2);
      equal((await askFor("tokens-carol", ten)).status, 429);
    });

    test("every protocol tells the limits of the caller and of the model that ran", async () => {
      const text = { name: "text", shape: [1], datatype: "BYTES", data: ["a"] };
      const calls: [path: string, body: unknown][] = [
        ["/embed", { inputs: "a" }],
        ["/rerank", { query: "a", texts: ["b"] }],
        ["/v1/embeddings", { model, input: "a" }],
        ["/v2/embed", { model, texts: ["a"], input_type: "search_query" }],
        [`/v2/models/${model}/infer`, { inputs: [text] }],
      ];
      for (const [path, body] of calls) {
        const { status, headers } = await ask(path, body);
        equal(status, 200, path);
        equal(headers.get("ratelimit-policy"), `${premiumTold}, ${modelTold}`, path);
        match(
          headers.get("ratelimit") ?? "",
          /^"premium";r=99\d{3};t=\d+, "of-the-model";r=99\d{5};t=\d+$/,
          path,
        );
      }
      for (const [name, transport] of Object.entries(transportsOf(mesh.url))) {
        const told: Headers[] = [];
        const onHeader = (headers: Headers): void => void told.push(headers);
        await gatewayOf(transport).embed(
          { inputs: ["a"] },
          { headers: { authorization }, onHeader },
        );
        equal(told[0]?.get("ratelimit-policy"), `${premiumTold}, ${modelTold}`, name);
      }
      // No model runs, so only requests are counted.
      const { headers } = await ask("/tokenize", { inputs: "a" });
      equal(headers.get("ratelimit-policy"), premiumTold);
      equal((await fetch(`${mesh.url}/docs/`)).headers.get("ratelimit"), null);
    });

    test("a user is the same one in a body, in a header and in metadata", async () => {
      const asBody = await ask("/v1/embeddings", { model, input: "a", user: "few-bob" });
      match(asBody.headers.get("ratelimit-policy") ?? "", /"per-user";q=3;qu="requests";w=3600/);
      equal((await askFor("few-bob", "a")).status, 200);
      const gateway = gatewayOf(createGrpcTransport({ baseUrl: mesh.url }));
      const headers = { authorization, "x-arrowmesh-user": "few-bob" };
      await gateway.embed({ inputs: ["a"] }, { headers });

      await rejects(gateway.embed({ inputs: ["a"] }, { headers }), (error) => {
        ok(error instanceof ConnectError);
        equal(error.code, Code.ResourceExhausted);
        const [violation] = error.findDetails(QuotaFailureSchema)[0]?.violations ?? [];
        equal(violation?.quotaId, "per-user");
        match(violation?.subject ?? "", /^ip:127\.0\.0\.1 api_key:[0-9a-f]{16} user:few-bob$/);
        deepEqual(violation?.quotaDimensions, {
          ...{ model, tier: "premium" },
          route: "arrowmesh.gateway.v1.GatewayService/Embed",
        });
        equal(JSON.stringify(error.message).includes(key), false);
        return true;
      });
      const refused = await ask("/v1/embeddings", { model, input: "a", user: "few-bob" });
      equal(refused.status, 429);
      const seconds = Number(refused.headers.get("retry-after"));
      const told = /"per-user";r=0;t=(\d+)/.exec(refused.headers.get("ratelimit") ?? "")?.[1];
      ok(seconds > 0 && seconds <= 1_200 && seconds === Number(told), `${seconds} and ${told}`);
      equal(refused.headers.get("x-ratelimit-remaining-requests"), "0");
      equal((await askFor("few-alice", "a")).status, 200);
    });

    test("a slot comes back after an answer, a failure and a caller that left", async () => {
      const long = (seed: string) =>
        Array.from({ length: 32 }, (_, at) => `${seed} ${at} ${"word ".repeat(250)}`);
      const all = await Promise.all(
        ["a", "b", "c", "d"].map((seed) => askFor("slots-dave", long(seed))),
      );
      const refused = all.filter(({ status }) => status === 429);
      ok(refused.length > 0 && refused.length < all.length, `${refused.length} refused`);
      for (const { headers, json } of refused) {
        equal(headers.get("retry-after"), "1");
        const slots = /"slots-per-user";q=1;qu="concurrent-requests"/;
        match(headers.get("ratelimit-policy") ?? "", slots);
        match(headers.get("ratelimit") ?? "", /"slots-per-user";r=0;t=1/);
        match((json as { error: string }).error, /too many concurrent requests/);
      }

      // Much less than the half minute after which leases end by themselves.
      const untilFree = async (user: string) => {
        const deadline = Date.now() + 15_000;
        while ((await askFor(user, "a")).status !== 200) {
          ok(Date.now() < deadline, `${user} still has a slot`);
          await sleep(20);
        }
      };
      await untilFree("slots-dave");
      await untilFree("slots-dave");

      const failing = { model: "nobody", input: "a", user: "slots-erin" };
      equal((await ask("/v1/embeddings", failing)).status, 404);
      await untilFree("slots-erin");

      const leaver = new AbortController();
      const user = { "x-arrowmesh-user": "slots-frank" };
      const left = fetch(`${mesh.url}/embed`, {
        method: "POST",
        headers: { authorization, "content-type": "application/json", ...user },
        body: JSON.stringify({ inputs: long("e") }),
        signal: leaver.signal,
      });
      await sleep(100);
      leaver.abort();
      await rejects(left, { name: "AbortError" });
      await untilFree("slots-frank");
    });

    test("callers behind a trusted proxy are counted by their own address", async () => {
      const from = async (ip: string) =>
        (await ask("/embed", { inputs: "a" }, { "x-forwarded-for": `127.0.0.1, ${ip}` })).status;
      deepEqual([await from("203.0.113.7"), await from("203.0.113.7")], [200, 200]);
      equal(await from("203.0.113.7"), 429);
      equal(await from("203.0.113.8"), 200);
    });
  });
}

/** Reservations that were settled so far. */
async function settledOf(url: string): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const settled =
    /^arrowmesh_ratelimit_reservations_total\{event="(?:committed|released)"\} (\d+)$/gm;
  return [...text.matchAll(settled)].reduce((sum, [, count]) => sum + Number(count), 0);
}

async function untilSettled(url: string, count: number): Promise<void> {
  const deadline = Date.now() + 20_000;
  while ((await settledOf(url)) < count) {
    ok(Date.now() < deadline, `no more than ${await settledOf(url)} settled of ${count}`);
    await sleep(10);
  }
}
