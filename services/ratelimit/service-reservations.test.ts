import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { Unit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import {
  context,
  isInvalid,
  openRatelimit,
  perIp,
  policyOf,
  requests,
  tokens,
} from "../../test/support/ratelimit-service.js";

const slots = `
  - { name: slots, counts: concurrent_requests, per: [ip], quota: 2 }`;
const lease = { leaseMs: 1_000 };

test("reserved tokens are spent, until they are released or their time is over", async () => {
  const { client, clock } = openRatelimit(perIp(1));
  equal((await client.reserve(tokens, context)).allowed, true);
  equal((await client.reserve(tokens, context)).allowed, true);
  equal((await client.reserve({ ...tokens, reservationId: "b" }, context)).allowed, false);
  await client.release({ reservationIds: ["a", "unknown"] }, context);
  equal((await client.reserve({ ...tokens, reservationId: "b" }, context)).allowed, true);
  await clock.moveTo(1_000);
  equal((await client.reserve({ ...tokens, reservationId: "c" }, context)).allowed, true);
  await client.commit({ reservationIds: ["c", "c", "b"] }, context);
  await clock.moveTo(3_000);
  equal((await client.reserve({ ...tokens, reservationId: "d" }, context)).allowed, false);
});

test("a part of a reservation is kept, and the rest comes back", async () => {
  const { client } = openRatelimit(perIp(1));
  const leftOf = async () =>
    (await client.check({ ...tokens, amount: 1n }, context)).limits[0]?.remaining;
  for (const reservationId of ["a", "b", "c"]) {
    await client.reserve({ ...tokens, amount: 30_000n, reservationId }, context);
  }
  equal(await leftOf(), 10_000n);
  await client.commit(
    {
      reservationIds: ["a"],
      partial: [
        { reservationId: "b", amount: 10_000n },
        { reservationId: "c", amount: 0n },
      ],
    },
    context,
  );
  equal(await leftOf(), 60_000n);
  await client.commit({ partial: [{ reservationId: "c", amount: 2n ** 64n - 1n }] }, context);
  equal(await leftOf(), 60_000n);
});

test("requests and slots of one reservation come back together, slots in every case", async () => {
  const { client } = openRatelimit(perIp(10) + slots);
  const both = { ...tokens, amount: 10n, more: [{ unit: Unit.REQUESTS, amount: 1n }] };
  const leftOf = async () =>
    (await client.check({ ...requests, more: [{ unit: Unit.TOKENS, amount: 1n }] }, context)).limits
      .map(({ name, remaining }) => [name, remaining])
      .sort();
  await client.reserve({ ...both, reservationId: "a" }, context);
  await client.reserve({ ...both, reservationId: "b" }, context);
  equal((await client.reserve({ ...both, reservationId: "c" }, context)).allowed, false);
  await client.commit({ reservationIds: ["a"] }, context);
  await client.release({ reservationIds: ["b"] }, context);
  deepEqual(await leftOf(), [
    ["requests-per-ip", 9n],
    ["slots", 2n],
    ["tokens-per-ip", 99_990n],
  ]);
});

test("a request holds a slot until its lease is given back or its time is over", async () => {
  const { client, clock } = openRatelimit(perIp(100) + slots);
  const take = async (leaseId: string) => {
    const { allowed, leased, limits } = await client.take(
      { ...requests, ...lease, leaseId },
      context,
    );
    const slot = limits.find(({ name }) => name === "slots");
    equal(slot?.unit, Unit.CONCURRENT_REQUESTS);
    return [allowed, leased, slot?.remaining, slot?.windowMs];
  };
  deepEqual(await take("a"), [true, true, 1n, 0n]);
  deepEqual(await take("b"), [true, true, 0n, 0n]);
  deepEqual(await take("c"), [false, false, 0n, 0n]);
  // The refused one held nothing, and its request was not spent.
  const { limits } = await client.check(requests, context);
  equal(limits.find(({ name }) => name === "requests-per-ip")?.remaining, 98n);
  await client.release({ reservationIds: ["a"] }, context);
  deepEqual(await take("c"), [true, true, 0n, 0n]);
  // What was spent for good stays spent when the slots come back.
  await clock.moveTo(1_000);
  deepEqual(await take("d"), [true, true, 1n, 0n]);
});

test("where limits on concurrent requests apply, a lease is needed, and only there", async () => {
  const { client } = openRatelimit(slots);
  await rejects(client.take(requests, context), isInvalid("lease_id"));
  const elsewhere = openRatelimit(perIp(1)).client;
  const { allowed, leased } = await elsewhere.take(
    { ...requests, ...lease, leaseId: "a" },
    context,
  );
  deepEqual([allowed, leased], [true, false]);
  const { limits } = await client.check(requests, context);
  deepEqual(
    limits.map(({ name, remaining }) => [name, remaining]),
    [["slots", 2n]],
  );
});

test("a reservation that is open while the policy changes ends at the counter it was spent from", async () => {
  const { client, policy } = openRatelimit(perIp(1));
  const leftOf = async () =>
    (await client.check({ ...tokens, amount: 1n }, context)).limits[0]?.remaining;
  await client.reserve(tokens, context);
  policy.current = policyOf(perIp(1).replace("100000", "200000"));
  equal(await leftOf(), 200_000n);
  await client.release({ reservationIds: ["a"] }, context);
  equal(await leftOf(), 200_000n);
  policy.current = policyOf(perIp(1));
  equal(await leftOf(), 100_000n);
});

test("a reservation of a limit that has gone answers as it did", async () => {
  const { client, policy } = openRatelimit(perIp(1));
  await client.reserve(tokens, context);
  policy.current = policyOf("  []");
  const { allowed, limits } = await client.reserve(tokens, context);
  deepEqual([allowed, limits.length], [true, 0]);
  await client.release({ reservationIds: ["a"] }, context);
  policy.current = policyOf(perIp(1));
  const { limits: after } = await client.check({ ...tokens, amount: 1n }, context);
  equal(after[0]?.remaining, 100_000n);
});
