import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, before, describe, test } from "node:test";
import { Redis } from "ioredis";
import { sleep, systemClock } from "../../lib/clock.js";
import { Secret } from "../../lib/config.js";
import { Deferred } from "../../lib/defer.js";
import { FakeClock } from "../../lib/fake-clock.js";
import { seeded } from "../../test/support/random.js";
import type { Charge, Decision } from "./decision.js";
import { MemoryStore } from "./memory-store.js";
import { RedisConnection } from "./redis-connection.js";
import { RedisServer, redisMissing } from "./redis-server.js";
import { RedisStore } from "./redis-store.js";
import type { LimitStore } from "./store.js";
import { left, ruleOf, runStoreSuite, slow, suiteReservationsMax } from "./store-suite.js";

const bounds = {
  redisTimeoutMs: 250,
  redisCallsMax: 100,
  redisKeyReservationsMax: suiteReservationsMax,
};

describe("the store in Redis", { skip: redisMissing, timeout: 60_000 }, () => {
  const server = new RedisServer();
  const deferred = new Deferred();
  const wait = (ms: number) => sleep(systemClock, ms);

  before(() => server.start());
  afterEach(() => deferred.releaseAll());
  after(() => server.remove());

  function openStore(some: Partial<typeof bounds> = {}, url = server.url) {
    const lines: string[] = [];
    const write = (...line: unknown[]) => void lines.push(String(line.at(-1)));
    const log = { info: write, warn: write };
    const config = { ...bounds, ...some };
    const connection = new RedisConnection(new Secret(url), config, { clock: systemClock, log });
    deferred.defer(() => connection.close());
    return { store: new RedisStore(connection, config), lines };
  }

  function openClient(): Redis {
    const redis = new Redis(server.url);
    deferred.defer(() => redis.disconnect());
    return redis;
  }

  runStoreSuite(async () => ({ store: openStore().store, wait }));

  test("several processes share one limit exactly", async () => {
    const stores = [openStore().store, openStore().store, openStore().store];
    const charge = { rules: [ruleOf(slow)], amount: 1 };
    const decisions = await Promise.all(
      Array.from({ length: 60 }, (_, index) => stores[index % 3]?.take(charge)),
    );
    equal(decisions.filter((decision) => decision?.allowed).length, slow.burst);
  });

  test("any process settles what another reserved", async () => {
    const charge = { rules: [ruleOf(slow)], amount: 4 };
    const [first, second] = [openStore().store, openStore().store];
    const [kept, dropped] = [randomUUID(), randomUUID()];
    await first.reserve(kept, 60_000, charge);
    await first.reserve(dropped, 60_000, charge);
    await second.commit([kept]);
    await second.release([dropped]);
    deepEqual(await left(first, charge), [6]);
  });

  test("it answers like the store in memory, whatever is asked", async (t) => {
    const next = seeded(t).int;
    const reference = new MemoryStore({ keysMax: 100, reservationsMax: 1_000 }, new FakeClock());
    const { store } = openStore({ redisKeyReservationsMax: 1_000 });
    const rules = [10, 50, 200].map((burst) => ruleOf({ ...slow, burst }));
    const ids = Array.from({ length: 40 }, () => randomUUID());
    for (let step = 0; step < 1_500; step += 1) {
      const chosen = rules.filter(() => next(2) === 0);
      const charge = { rules: chosen, amount: 1 + next(12) };
      const id = ids[next(ids.length)] ?? "";
      const act = acts[next(acts.length)];
      const actual = await act?.(store, charge, id);
      const expected = await act?.(reference, charge, id);
      deepEqual(remains(actual), remains(expected), `step ${step}`);
      deepEqual(await left(store, { rules }), await left(reference, { rules }), `step ${step}`);
    }
    deepEqual(store.totals(), reference.totals());
  });

  test("nothing is kept for good", async () => {
    const { store } = openStore();
    const redis = openClient();
    await redis.flushall();
    const rule = ruleOf({ perWindow: 100, windowMs: 1_000, burst: 10 });
    await store.reserve(randomUUID(), 50, { rules: [rule], amount: 5 });
    await store.take({ rules: [rule], amount: 5 });
    const keys = await redis.keys("*");
    equal(keys.length, 3);
    for (const key of keys) {
      match(key, /^\{arrowmesh:ratelimit\}:/);
      ok((await redis.pttl(key)) > 0);
    }
    await wait(250);
    deepEqual(await redis.keys("*"), []);
  });

  test("scripts that Redis forgot are sent again", async () => {
    const { store } = openStore();
    const charge = { rules: [ruleOf(slow)], amount: 1 };
    await store.take(charge);
    await openClient().script("FLUSH");
    equal((await store.take(charge)).states[0]?.remaining, 8);
  });

  test("a Redis that is not there is unavailable at once", async () => {
    const { store, lines } = openStore({}, "/nowhere/redis.sock");
    const charge = { rules: [ruleOf(slow)], amount: 1 };
    for (let i = 0; i < 3; i += 1) {
      const startMs = systemClock.nowMs();
      await rejects(store.take(charge), isUnavailable);
      ok(systemClock.nowMs() - startMs < 200);
    }
    await rejects(store.commit(["a"]), isUnavailable);
    equal(store.isReady(), false);
    await wait(100);
    deepEqual(lines, ["redis is away"]);
  });

  test("a Redis that answers nothing is unavailable in time, and used again when it answers", async () => {
    const { store } = openStore();
    const charge = { rules: [ruleOf({ ...slow, burst: 1_000 })], amount: 1 };
    await store.take(charge);
    server.pause();
    try {
      const startMs = systemClock.nowMs();
      await Promise.all(
        Array.from({ length: 20 }, () => rejects(store.take(charge), isUnavailable)),
      );
      await rejects(store.release(["a"]), isUnavailable);
      ok(systemClock.nowMs() - startMs < 1_500);
    } finally {
      server.resume();
    }
    await eventually(async () => equal((await store.take(charge)).allowed, true));
  });

  test("a Redis that was away is used again when it is back", async () => {
    const { store, lines } = openStore();
    const charge = { rules: [ruleOf(slow)], amount: 10 };
    equal((await store.take(charge)).allowed, true);
    await server.kill();
    await rejects(store.take(charge), isUnavailable);
    await server.start();
    await eventually(async () => equal((await store.take(charge)).allowed, true));
    deepEqual([store.isReady(), lines], [true, ["redis is away", "redis is back"]]);
  });

  test("more calls than may wait are overload", async () => {
    const { store } = openStore({ redisCallsMax: 2 });
    const charge = { rules: [ruleOf(slow)], amount: 1 };
    const results = await Promise.allSettled([1, 2, 3].map(() => store.take(charge)));
    deepEqual(
      results.map(({ status }) => status),
      ["fulfilled", "fulfilled", "rejected"],
    );
    equal((await store.take(charge)).allowed, true);
  });

  test("a command that Redis does not accept is a bug, not an outage", async () => {
    const rule = ruleOf(slow);
    await openClient().lpush(`{arrowmesh:ratelimit}:bucket:${rule.key}`, "not a bucket");
    await rejects(openStore().store.take({ rules: [rule], amount: 1 }), /WRONGTYPE/);
  });
});

/** One of each thing a store can be asked. */
const acts: ((store: LimitStore, charge: Charge, id: string) => Promise<Decision | undefined>)[] = [
  (store, charge) => store.take(charge),
  (store, charge) => store.peek(charge),
  (store, charge, id) => store.reserve(id, 600_000, charge),
  (store, _, id) => store.release([id]).then(() => undefined),
  (store, _, id) => store.commit([id]).then(() => undefined),
];

/** Without the times, which pass in Redis only. */
function remains(decision: Decision | undefined): unknown {
  if (decision === undefined) return undefined;
  const { allowed, states } = decision;
  return [allowed, ...states.map(({ rule, remaining }) => [rule.key, remaining])];
}

function isUnavailable(error: unknown): boolean {
  const { fault, details } = error as { fault: string; details: { retryAfterMs?: number } };
  return fault === "unavailable" && details.retryAfterMs === 1_000;
}

async function eventually(check: () => Promise<void>): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      await check();
      return;
    } catch (error) {
      if (attempt === 100) throw error;
      await sleep(systemClock, 50);
    }
  }
}
