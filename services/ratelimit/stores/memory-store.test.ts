import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "../../../lib/fake-clock.js";
import type { Quota } from "../algorithms/quota.js";
import { MemoryStore } from "./memory-store.js";
import { runStoreSuite, suiteReservationsMax } from "./store-suite.js";
import { commit, holding, left, ruleOf, slow, spending } from "./suite-charges.js";

const bounds = { keysMax: 1_000, reservationsMax: suiteReservationsMax };
/** One unit at once, refilled in 10 ms. */
const brief: Quota = {
  algorithm: "token_bucket",
  perWindow: 100,
  windowMs: 1_000,
  burst: 1,
};

const yearMs = 31_536_000_000;

/** One unit of each algorithm, back after a second and its 64th part. */
const eachAlgorithm: readonly Quota[] = [
  { algorithm: "token_bucket", perWindow: 1, windowMs: 1_000, burst: 1 },
  { algorithm: "sliding_window", units: 1, windowMs: 1_000 },
  { algorithm: "fixed_window", units: 1, windowMs: 1_000 },
];

describe("the store in memory", () => {
  runStoreSuite(async () => {
    const clock = new FakeClock();
    const wait = (ms: number) => clock.moveTo(clock.nowMs() + ms);
    return { store: new MemoryStore(bounds, clock), wait };
  });

  test("a reservation is open up to its last millisecond, even if its timer is late", async () => {
    const clock = new FakeClock();
    const store = new MemoryStore(bounds, { ...lateTimers, nowMs: () => clock.nowMs() });
    const rule = ruleOf(slow);
    const charge = holding({ id: "a", amount: 10, ttlMs: 100 }, rule);
    await store.spend(charge);
    await clock.moveTo(99);
    equal((await store.spend(charge)).allowed, true);
    equal(store.totals().opened, 1);
    await clock.moveTo(100);
    await commit(store, "a");
    equal((await store.peek(spending(10, rule))).allowed, true);
  });

  test("an abandoned reservation leaves memory although nobody calls", async () => {
    const clock = new FakeClock();
    const store = new MemoryStore(bounds, clock);
    await store.spend(holding({ id: "a", amount: 1, ttlMs: 100 }, ruleOf(slow)));
    deepEqual([store.openReservations(), store.keys], [1, 1]);
    await clock.moveTo(100);
    deepEqual([store.openReservations(), store.keys], [0, 0]);
  });

  test("one timer waits for all reservations, and each ends at its own millisecond", async () => {
    const clock = new CountingClock();
    const store = new MemoryStore({ keysMax: 1, reservationsMax: 1_000 }, clock);
    const rule = ruleOf({ ...slow, burst: 1_000 });
    for (let index = 0; index < 1_000; index += 1) {
      // In no order: 1 to 1,000 ms, each once.
      const ttlMs = 1 + ((index * 617) % 1_000);
      await store.spend(holding({ id: `${index}`, amount: 1, ttlMs }, rule));
    }
    ok(clock.timers <= 1, `${clock.timers} timers`);
    for (const nowMs of [1, 2, 500, 999, 1_000]) {
      await clock.moveTo(nowMs);
      equal(store.openReservations(), 1_000 - nowMs);
      ok(clock.timers <= 1, `${clock.timers} timers`);
    }
    equal(store.totals().expired, 1_000);
    equal(clock.timers, 0);
  });

  test("a closed store leaves no timer behind", async () => {
    const clock = new CountingClock();
    const store = new MemoryStore(bounds, clock);
    await store.spend(holding({ id: "a", amount: 1 }, ruleOf(slow)));
    equal(clock.timers, 1);
    store.close();
    deepEqual([clock.timers, store.openReservations()], [0, 0]);
  });

  test("setting the date does nothing", async () => {
    const clock = new CountingClock();
    const store = new MemoryStore(bounds, clock);
    const rules = eachAlgorithm.map((quota) => ruleOf(quota));
    const lease = ruleOf({ algorithm: "concurrency", slots: 1 });
    await store.spend(spending(1, ...rules));
    await store.spend(holding({ id: "a", amount: 1, ttlMs: 500 }, lease));
    const before = await store.peek(spending(1, ...rules, lease));
    for (const jumpMs of [yearMs, -yearMs, -50 * yearMs, 1]) {
      clock.dateJumpMs += jumpMs;
      deepEqual(await store.peek(spending(1, ...rules, lease)), before);
    }
    await clock.moveTo(499);
    deepEqual(await left(store, lease), [0]);
    await clock.moveTo(500);
    deepEqual(await left(store, lease), [1]);
    await clock.moveTo(1_100);
    deepEqual(await left(store, ...rules), [1, 1, 1]);
  });

  test("what is held needs an end, and slots are held", async () => {
    const store = new MemoryStore(bounds, new FakeClock());
    const slot = ruleOf({ algorithm: "concurrency", slots: 1 });
    const { items } = holding({ id: "a", amount: 1 }, ruleOf(slow));
    await rejects(store.spend({ items }), /needs an end/);
    await rejects(store.spend(spending(1, slot)), /needs an end/);
    equal(store.keys, 0);
  });

  test("a store that is full of callers refuses new ones, and knows those it has", async () => {
    const store = new MemoryStore({ keysMax: 2, reservationsMax: 2 }, new FakeClock());
    const known = spending(1, ruleOf(slow));
    await store.spend(known);
    const two = [ruleOf(slow), ruleOf(slow)];
    await rejects(store.spend(spending(1, ...two)), { name: "MeshError", fault: "overloaded" });
    await rejects(store.spend(holding({ id: "a", amount: 1 }, ...two)), { fault: "overloaded" });
    deepEqual([store.keys, store.openReservations()], [1, 0]);
    await store.spend(spending(1, ruleOf(slow)));
    await rejects(store.spend(spending(1, ruleOf(slow))), { fault: "overloaded" });
    equal((await store.spend(known)).states[0]?.remaining, 8);
  });

  test("buckets that are full again make room", async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ keysMax: 10, reservationsMax: 1 }, clock);
    for (let i = 0; i < 10; i += 1) await store.spend(spending(1, ruleOf(brief)));
    await clock.moveTo(11);
    equal((await store.spend(spending(1, ruleOf(brief)))).allowed, true);
  });

  test("counters of every algorithm leave when they are as new", async () => {
    for (const quota of eachAlgorithm) {
      const clock = new FakeClock();
      const store = new MemoryStore({ keysMax: 10, reservationsMax: 10 }, clock);
      for (let i = 0; i < 10; i += 1) await store.spend(spending(1, ruleOf(quota)));
      await rejects(store.spend(spending(1, ruleOf(quota))), { fault: "overloaded" });
      await clock.moveTo(1_016);
      equal((await store.spend(spending(1, ruleOf(quota)))).allowed, true, quota.algorithm);
    }
  });

  test("slots are not forgotten while they are held, and leave when they are given back", async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ keysMax: 1, reservationsMax: 10 }, clock);
    const slot = ruleOf({ algorithm: "concurrency", slots: 1 });
    await store.spend(holding({ id: "a", amount: 1, ttlMs: yearMs }, slot));
    await clock.moveTo(yearMs - 1);
    await rejects(store.spend(spending(1, ruleOf(slow))), { fault: "overloaded" });
    deepEqual(await left(store, slot), [0]);
    await commit(store, "a");
    equal(store.keys, 0);
  });

  test("making room for a new caller does not forget what a known one spends beside it", async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ keysMax: 10, reservationsMax: 1 }, clock);
    const known = ruleOf(brief);
    await store.spend(spending(1, known));
    await clock.moveTo(10);
    // Its counter is idle by now, so that it is dropped when room is made.
    equal((await store.spend(spending(1, known, ruleOf(brief)))).allowed, true);
    equal((await store.spend(spending(1, known))).allowed, false);
    equal(store.keys, 2);
  });

  test("looking and being refused take no room", async () => {
    const store = new MemoryStore({ keysMax: 10, reservationsMax: 1 }, new FakeClock());
    await store.peek(spending(1, ruleOf(slow)));
    await store.spend(spending(0, ruleOf(slow)));
    equal((await store.spend(spending(11, ruleOf(slow)))).allowed, false);
    equal(store.keys, 0);
  });

  test("callers that come and go do not pile up", async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ keysMax: 100_000, reservationsMax: 1 }, clock);
    for (let i = 0; i < 5_000; i += 1) {
      if (i % 10 === 0) await clock.moveTo(clock.nowMs() + 10);
      await store.spend(spending(1, ruleOf(brief)));
    }
    equal(store.keys < 100, true, `${store.keys} keys`);
  });
});

/** Counts its timers, and tells a date that can be set. */
class CountingClock extends FakeClock {
  timers = 0;
  dateJumpMs = 0;

  override dateMs(): number {
    return super.dateMs() + this.dateJumpMs;
  }

  override at(atMs: number, then: () => void): () => void {
    let isWaiting = true;
    const leave = () => {
      if (isWaiting) this.timers -= 1;
      isWaiting = false;
    };
    this.timers += 1;
    const cancel = super.at(atMs, () => {
      leave();
      then();
    });
    return () => {
      leave();
      cancel();
    };
  }
}

/** A busy process: timers fire long after their time. */
const lateTimers = { dateMs: () => 0, at: () => () => {} };
