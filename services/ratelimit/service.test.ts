import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { Unit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { MeshError } from "../../lib/errors.js";
import {
  caller,
  context,
  limitsOf,
  openRatelimit,
  perIp,
  policyOf,
  requests,
  tokens,
} from "../../test/support/ratelimit-service.js";

test("take spends until the limit says when to come back", async () => {
  const { client } = openRatelimit(perIp(2));
  const first = await client.take(requests, context);
  deepEqual([first.allowed, limitsOf(first)], [true, [["requests-per-ip", 2n, 1n, 20n, 0n]]]);
  await client.take(requests, context);
  const third = await client.take(requests, context);
  deepEqual([third.allowed, limitsOf(third)], [false, [["requests-per-ip", 2n, 0n, 40n, 20n]]]);
  deepEqual(
    third.limits.map(({ unit, windowMs }) => [unit, windowMs]),
    [[Unit.REQUESTS, 40n]],
  );
  deepEqual([third.degraded, third.leased], [false, false]);
});

test("check answers as take would, and spends nothing", async () => {
  const { client } = openRatelimit(perIp(1));
  const { allowed } = await client.check(requests, context);
  const taken = await client.take(requests, context);
  deepEqual([allowed, taken.allowed], [true, true]);
  const checked = await client.check(requests, context);
  const refused = await client.take(requests, context);
  deepEqual([checked.allowed, limitsOf(checked)], [refused.allowed, limitsOf(refused)]);
});

test("an amount over the quota is refused for good, however large it is", async () => {
  const { client } = openRatelimit(perIp(1));
  for (const amount of [100_001n, 2n ** 53n, 2n ** 64n - 1n]) {
    const { allowed, limits } = await client.reserve({ ...tokens, amount }, context);
    deepEqual([allowed, limits[0]?.retryAfterMs, limits[0]?.quota], [false, undefined, 100_000n]);
  }
});

test("whom no limit names has none", async () => {
  const { client } = openRatelimit(`
  - { name: paid, counts: requests, per: [api_key], quota: 1, window: 1s }`);
  const taken = await client.take({ ...requests, amount: 2n ** 64n - 1n }, context);
  deepEqual([taken.allowed, taken.limits], [true, []]);
});

test("several units are one decision: what one limit refuses is spent of none", async () => {
  const { client } = openRatelimit(perIp(10));
  const both = (amount: bigint) => ({ ...requests, more: [{ unit: Unit.TOKENS, amount }] });
  const refused = await client.take(both(100_001n), context);
  deepEqual([refused.allowed, refused.limits.length], [false, 2]);
  const { allowed, limits } = await client.take(both(60_000n), context);
  equal(allowed, true);
  deepEqual(
    limits.map(({ name, unit, remaining }) => [name, unit, remaining]),
    [
      ["tokens-per-ip", Unit.TOKENS, 40_000n],
      ["requests-per-ip", Unit.REQUESTS, 9n],
    ],
  );
});

test("limits come tightest first, by what is left of each", async () => {
  const rule = (name: string, burst: number) =>
    `  - { name: ${name}, counts: requests, per: [], quota: 1, window: 1s, burst: ${burst} }`;
  const { client } = openRatelimit(
    [rule("half", 20), rule("most", 100), rule("none", 10)].join("\n"),
  );
  const { limits } = await client.take({ ...requests, amount: 10n }, context);
  deepEqual(
    limits.map(({ name }) => name),
    ["none", "half", "most"],
  );
});

test("a policy that changes takes over with the next call, and its counters start anew", async () => {
  const { client, policy } = openRatelimit(perIp(1));
  equal((await client.take(requests, context)).allowed, true);
  equal((await client.take(requests, context)).allowed, false);
  policy.current = policyOf(perIp(2));
  equal((await client.take(requests, context)).limits[0]?.remaining, 1n);
  policy.current = policyOf(perIp(1));
  equal((await client.take(requests, context)).allowed, false);
});

test("an answer says when the shared counters could not be reached", async () => {
  const decision = { allowed: true, states: [], isDegraded: true };
  const away = async () => decision;
  const { client } = openRatelimit(perIp(1), { spend: away, peek: away });
  equal((await client.take(requests, context)).degraded, true);
  equal((await client.check(requests, context)).degraded, true);
  equal((await client.reserve(tokens, context)).degraded, true);
});

test("metrics count decisions, reservations and who refused, without naming a caller", async () => {
  const { client, clock, registry } = openRatelimit(perIp(100));
  await client.take(requests, context);
  await client.check(requests, context);
  for (const id of ["a", "b", "c"]) {
    await client.reserve({ ...tokens, amount: 40_000n, reservationId: id }, context);
  }
  await client.commit({ reservationIds: ["a"] }, context);
  const text = await registry.metrics();
  for (const line of [
    'decisions_total{unit="requests",outcome="allowed"} 1',
    'decisions_total{unit="tokens",outcome="allowed"} 2',
    'decisions_total{unit="tokens",outcome="refused"} 1',
    'limit_decisions_total{limit="tokens-per-ip",outcome="refused"} 1',
    'reservations_total{event="opened"} 2',
    'reservations_total{event="committed"} 1',
    "reservations_open 1",
  ]) {
    ok(text.includes(`arrowmesh_ratelimit_${line}\n`), line);
  }
  await clock.moveTo(1_000);
  const later = await registry.metrics();
  ok(later.includes('reservations_total{event="expired"} 1\n'));
  ok(later.includes("arrowmesh_ratelimit_reservations_open 0\n"));
  ok(!later.includes(String(caller.ip)));
});

test("a store that is away fails the call as it does", async () => {
  const away = (): Promise<never> => Promise.reject(new MeshError("unavailable", "away"));
  const { client } = openRatelimit(perIp(1), { spend: away });
  const fault = await client.take(requests, context).catch((error: MeshError) => error.fault);
  equal(fault, "unavailable");
});
