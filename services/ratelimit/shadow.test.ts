import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { MeshError } from "../../lib/errors.js";
import {
  context,
  openRatelimit,
  perIp,
  policyOf,
  requests,
  tokens,
} from "../../test/support/ratelimit-service.js";
import type { Charge, Decision } from "./stores/charge.js";

const tried = `
  - { name: tried, counts: requests, per: [], quota: 1, window: 1h, shadow: true }
  - { name: tried-tokens, counts: tokens, per: [], quota: 60000, window: 1h, shadow: true }
  - { name: tried-slots, counts: concurrent_requests, per: [], quota: 1, shadow: true }`;

test("a shadow limit refuses nobody and is not shown, but is counted", async () => {
  const { client, registry } = openRatelimit(perIp(3) + tried);
  for (let count = 0; count < 3; count += 1) {
    const { allowed, limits } = await client.take(requests, context);
    deepEqual([allowed, limits.map(({ name }) => name)], [true, ["requests-per-ip"]]);
  }
  // What is refused anyway costs a shadow limit nothing.
  equal((await client.take(requests, context)).allowed, false);
  const text = await registry.metrics();
  for (const line of [
    'decisions_total{unit="requests",outcome="allowed"} 3',
    'decisions_total{unit="requests",outcome="refused"} 1',
    'decisions_total{unit="requests",outcome="shadow_allowed"} 1',
    'decisions_total{unit="requests",outcome="shadow_refused"} 2',
    'limit_decisions_total{limit="tried",outcome="shadow_refused"} 2',
  ]) {
    ok(text.includes(`arrowmesh_ratelimit_${line}\n`), line);
  }
});

test("what a shadow limit holds comes back with the reservation, also when the limit has gone", async () => {
  const { client, registry, policy } = openRatelimit(perIp(9) + tried);
  const outcomes = async () => {
    const text = await registry.metrics();
    return /unit="tokens",outcome="shadow_refused"\} (\d+)/.exec(text)?.[1];
  };
  for (const id of ["a", "b"]) {
    await client.reserve({ ...tokens, amount: 40_000n, reservationId: id }, context);
    policy.current = policyOf(perIp(9));
    await client.release({ reservationIds: [id] }, context);
    policy.current = policyOf(perIp(9) + tried);
  }
  equal(await outcomes(), undefined);
  await client.reserve({ ...tokens, amount: 40_000n, reservationId: "c" }, context);
  await client.commit({ reservationIds: ["c"] }, context);
  await client.reserve({ ...tokens, amount: 40_000n, reservationId: "d" }, context);
  equal(await outcomes(), "1");
});

test("slots of a shadow limit are leased where the caller can give them back", async () => {
  const { client } = openRatelimit(`${perIp(9)}\n${tried.split("\n").at(-1)}`);
  equal((await client.take(requests, context)).leased, false);
  const take = async (leaseId: string) =>
    (await client.take({ ...requests, leaseId, leaseMs: 1_000 }, context)).leased;
  deepEqual([await take("a"), await take("b")], [true, false]);
  await client.release({ reservationIds: ["a"] }, context);
  equal(await take("c"), true);
});

test("a store that fails a shadow decision fails nobody", async () => {
  let calls = 0;
  const spend = async (charge: Charge): Promise<Decision> => {
    calls += 1;
    if (calls === 2) throw new MeshError("overloaded", "full");
    const states = charge.items.map((item) => ({
      item,
      remaining: 1,
      resetMs: 0,
      retryAfterMs: 0,
    }));
    return { allowed: true, states, isDegraded: false };
  };
  const { client } = openRatelimit(perIp(1) + tried, { spend });
  equal((await client.take(requests, context)).allowed, true);
  equal(calls, 2);
});
