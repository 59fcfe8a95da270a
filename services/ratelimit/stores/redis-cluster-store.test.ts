import { deepEqual, equal, ok } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { after, afterEach, before, describe, test } from "node:test";
import { sleep, systemClock } from "../../../lib/clock.js";
import { Deferred } from "../../../lib/defer.js";
import { freePort } from "../../../test/support/free-port.js";
import { ClusterSlots } from "./cluster-slots.js";
import { runModelSuite } from "./model-suite.js";
import { OneSlotStore } from "./one-slot-store.js";
import { openRedisStore } from "./open-redis-store.js";
import { spentUnder } from "./redis-charge.js";
import { RedisCluster } from "./redis-cluster.js";
import { counterKeyOf } from "./redis-keys.js";
import { redisMissing } from "./redis-server.js";
import { groupBySlot } from "./slot-group.js";
import { slotOf } from "./slot-of.js";
import { runStoreSuite, suiteReservationsMax } from "./store-suite.js";
import { commit, holding, left, release, ruleOf, slow, spending } from "./suite-charges.js";
import { TimedStore } from "./timed-store.js";

/** Node's timers may be a millisecond early. */
const wait = (ms: number) => sleep(systemClock, ms + 1);

describe("the store in a Redis Cluster", { skip: redisMissing, timeout: 180_000 }, () => {
  let cluster: RedisCluster;
  const deferred = new Deferred();

  before(async () => {
    cluster = new RedisCluster(await Promise.all(Array.from({ length: 6 }, freePort)));
    await cluster.start();
  });
  afterEach(() => deferred.releaseAll());
  after(() => cluster.remove());

  function open(redisKeyReservationsMax = suiteReservationsMax) {
    const redisCluster = cluster.addresses.slice(0, 3);
    return openRedisStore(
      { redisCluster: [...redisCluster], redisKeyReservationsMax },
      deferred.defer,
    );
  }

  runStoreSuite(async () => ({ store: open().store, wait }));

  // Decisions of one slot: those of several have no single time.
  runModelSuite(
    async () => {
      const opened = open(1_000);
      const timed = new TimedStore(opened.store, opened.takeDecidedAtMs);
      const takeDecidedAtMs = () => timed.takeDecidedAtMs();
      return { store: new OneSlotStore(timed), wait, takeDecidedAtMs };
    },
    { rounds: 8, steps: 60, pauseMsMax: 60 },
  );

  test("the slot of a key is what Redis says", async () => {
    for (const key of [
      "a",
      "{a}b",
      "b{a}",
      "{}a",
      "{a",
      "é{ü}",
      counterKeyOf("x|10.0.0.1"),
      counterKeyOf("\0"),
    ]) {
      equal(slotOf(key), await cluster.nodes[0]?.call("CLUSTER", "KEYSLOT", key));
    }
  });

  test("counters of one caller share a slot", () => {
    const slots = ["requests|10.0.0.1", "tokens|a|10.0.0.1"].map((key) =>
      slotOf(counterKeyOf(key)),
    );
    equal(slots[0], slots[1]);
  });

  test("several processes that spend in several slots never admit too much, and leave nothing reserved", async () => {
    const stores = [open().store, open().store, open().store];
    const [wide, narrow] = [ruleOf({ ...slow, burst: 100 }), ruleOf({ ...slow, burst: 7 })];
    const decisions = await Promise.all(
      Array.from({ length: 90 }, (_, index) => stores[index % 3]?.spend(spending(1, wide, narrow))),
    );
    const allowed = decisions.filter((decision) => decision?.allowed).length;
    ok(allowed > 0 && allowed <= 7, String(allowed));
    const [first] = stores;
    ok(first !== undefined);
    deepEqual(await left(first, wide, narrow), [100 - allowed, 7 - allowed]);
  });

  test("what a process reserved that died between the two steps comes back", async () => {
    const { store, connection } = open();
    const rules = [ruleOf(slow), ruleOf(slow)];
    const { items } = spending(6, ...rules);
    const slots = new ClusterSlots(connection, { redisKeyReservationsMax: 10, onExpired() {} });
    const groups = groupBySlot(spentUnder(items, { ttlMs: 0, finalMs: 300 }), items);
    for (const group of groups) {
      await slots.decide(group, { mode: "hold", hold: { id: randomUUID(), ttlMs: 0 } });
    }
    deepEqual(await left(store, ...rules), [4, 4]);
    equal((await store.spend(spending(6, ...rules))).allowed, false);
    await wait(310);
    deepEqual(await left(store, ...rules), [10, 10]);
  });

  test("what was reserved in several slots is settled by another process", async () => {
    const [first, second] = [open().store, open().store];
    const rules = [ruleOf(slow), ruleOf(slow), ruleOf(slow)];
    const [kept, dropped, used] = [randomUUID(), randomUUID(), randomUUID()];
    for (const id of [kept, dropped, used]) await first.spend(holding({ id, amount: 3 }, ...rules));
    await commit(second, kept);
    await release(second, dropped);
    await second.settle([{ id: used, keptMax: 1 }]);
    deepEqual(await left(first, ...rules), [6, 6, 6]);
    deepEqual(second.totals(), { opened: 0, committed: 2, released: 1, expired: 0 });
  });
});
