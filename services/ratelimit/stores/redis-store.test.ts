import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, before, describe, test } from "node:test";
import { Redis } from "ioredis";
import { sleep, systemClock } from "../../../lib/clock.js";
import { Deferred } from "../../../lib/defer.js";
import type { Quota } from "../algorithms/quota.js";
import { runModelSuite } from "./model-suite.js";
import { openRedisStore, type StoreSettings } from "./open-redis-store.js";
import { RedisServer, redisMissing } from "./redis-server.js";
import { runStoreSuite, suiteReservationsMax } from "./store-suite.js";
import { commit, holding, left, release, ruleOf, slow, spending } from "./suite-charges.js";
import { TimedStore } from "./timed-store.js";

/** Node's timers may be a millisecond early. */
const wait = (ms: number) => sleep(systemClock, ms + 1);

describe("the store in Redis", { skip: redisMissing, timeout: 120_000 }, () => {
  const server = new RedisServer();
  const deferred = new Deferred();
  before(() => server.start());
  afterEach(() => deferred.releaseAll());
  after(() => server.remove());

  function open(some: StoreSettings = {}) {
    const bounds = { redisKeyReservationsMax: suiteReservationsMax };
    return openRedisStore({ redisUrl: server.url, ...bounds, ...some }, deferred.defer);
  }

  function openClient(): Redis {
    const redis = new Redis(server.url);
    deferred.defer(() => redis.disconnect());
    return redis;
  }

  runStoreSuite(async () => ({ store: open().store, wait }));

  runModelSuite(
    async () => {
      const opened = open({ redisKeyReservationsMax: 1_000 });
      const store = new TimedStore(opened.store, opened.takeDecidedAtMs);
      return { store, wait, takeDecidedAtMs: () => store.takeDecidedAtMs() };
    },
    { rounds: 20, steps: 60, pauseMsMax: 60 },
  );

  test("several processes share one limit exactly", async () => {
    const stores = [open().store, open().store, open().store];
    const charge = spending(1, ruleOf(slow));
    const decisions = await Promise.all(
      Array.from({ length: 60 }, (_, index) => stores[index % 3]?.spend(charge)),
    );
    equal(decisions.filter((decision) => decision?.allowed).length, slow.burst);
  });

  test("any process settles what another reserved", async () => {
    const rule = ruleOf(slow);
    const [first, second] = [open().store, open().store];
    const [kept, dropped] = [randomUUID(), randomUUID()];
    for (const id of [kept, dropped]) await first.spend(holding({ id, amount: 4 }, rule));
    await commit(second, kept);
    await release(second, dropped);
    deepEqual(await left(first, rule), [6]);
    deepEqual(second.totals(), { opened: 0, committed: 1, released: 1, expired: 0 });
  });

  test("calls of one turn are decided in order, also after one that has to give back first", async () => {
    const { store } = open();
    const rule = ruleOf(slow);
    await store.spend(holding({ id: randomUUID(), amount: 9, ttlMs: 30 }, rule));
    await wait(40);
    const amounts = [4, 3, 2, 1, 1];
    const decisions = await Promise.all(
      amounts.map((amount) => store.spend(spending(amount, rule))),
    );
    deepEqual(
      decisions.map(({ states }) => states[0]?.remaining),
      [6, 3, 1, 0, 0],
    );
    equal(store.totals().expired, 1);
  });

  test("nothing is kept for good", async () => {
    const { store } = open();
    const redis = openClient();
    await redis.flushall();
    for (const quota of brief) {
      const held = holding({ id: randomUUID(), amount: 5, ttlMs: 50 }, ruleOf(quota));
      equal((await store.spend(held)).allowed, true);
    }
    const keys = await redis.keys("*");
    equal(keys.length, 3 * brief.length);
    for (const key of keys) {
      match(key, /^arrowmesh:limit:\{/);
      ok((await redis.pttl(key)) > 0);
    }
    await wait(500);
    deepEqual(await redis.keys("*"), []);
  });

  test("keys of any length and content are counters of their own", async () => {
    const { store } = open();
    const long = "k".repeat(10_000);
    const keys = [
      "",
      "{",
      "}{",
      "a|",
      "a|}",
      "a|{b}",
      "\ud800",
      "\udc00",
      "\0",
      "é",
      long,
      `${long}|`,
    ];
    for (const key of keys) {
      const rule = { ...ruleOf(slow), key };
      equal((await store.spend(spending(1, rule))).states[0]?.remaining, 9, JSON.stringify(key));
      await store.spend(holding({ id: `${randomUUID()}${key}`, amount: 1 }, rule));
      deepEqual(await left(store, rule), [8]);
    }
  });

  test("scripts that Redis forgot are sent again, and nothing is spent twice", async () => {
    const { store } = open();
    const redis = openClient();
    const rule = ruleOf({ ...slow, burst: 1_000 });
    for (let round = 0; round < 20; round += 1) {
      const flushed = redis.script("FLUSH");
      await Promise.all(Array.from({ length: 20 }, () => store.spend(spending(1, rule))));
      await flushed;
    }
    deepEqual(await left(store, rule), [600]);
  });

  test("more calls than may wait are overload", async () => {
    const { store } = open({ redisCallsMax: 2 });
    const charge = spending(1, ruleOf(slow));
    const results = await Promise.allSettled([1, 2, 3].map(() => store.spend(charge)));
    deepEqual(
      results.map(({ status }) => status),
      ["fulfilled", "fulfilled", "rejected"],
    );
    equal((await store.spend(charge)).allowed, true);
  });

  test("a key that is something else is a bug of one charge, not an outage", async () => {
    const { store } = open();
    const rule = ruleOf(slow);
    await openClient().lpush(`arrowmesh:limit:{${rule.key}}`, "not a counter");
    const other = store.spend(spending(1, ruleOf(slow)));
    await rejects(store.spend(spending(1, rule)), /WRONGTYPE/);
    equal((await other).allowed, true);
  });
});

/** Ten units of each algorithm, which are soon back. */
const brief: readonly Quota[] = [
  { algorithm: "token_bucket", perWindow: 100, windowMs: 1_000, burst: 10 },
  { algorithm: "sliding_window", units: 10, windowMs: 100 },
  { algorithm: "fixed_window", units: 10, windowMs: 100 },
  { algorithm: "concurrency", slots: 10 },
];
