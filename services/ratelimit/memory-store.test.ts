import { deepEqual, equal, rejects } from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "../../lib/fake-clock.js";
import { MemoryStore } from "./memory-store.js";
import { ruleOf, runStoreSuite, slow, suiteReservationsMax } from "./store-suite.js";

const bounds = { keysMax: 1_000, reservationsMax: suiteReservationsMax };
/** One unit at once, refilled in 10 ms. */
const brief = { perWindow: 100, windowMs: 1_000, burst: 1 };

describe("the store in memory", () => {
  runStoreSuite(async () => {
    const clock = new FakeClock();
    const wait = (ms: number) => clock.moveTo(clock.nowMs() + ms);
    return { store: new MemoryStore(bounds, clock), wait };
  });

  test("a reservation is open up to its last millisecond, even if its timer is late", async () => {
    const clock = new FakeClock();
    const store = new MemoryStore(bounds, { ...lateTimers, nowMs: () => clock.nowMs() });
    const charge = { rules: [ruleOf(slow)], amount: 10 };
    await store.reserve("a", 100, charge);
    await clock.moveTo(99);
    equal((await store.reserve("a", 100, charge)).allowed, true);
    equal(store.totals().opened, 1);
    await clock.moveTo(100);
    await store.commit(["a"]);
    equal((await store.peek(charge)).allowed, true);
  });

  test("an abandoned reservation leaves memory although nobody calls", async () => {
    const clock = new FakeClock();
    const store = new MemoryStore(bounds, clock);
    await store.reserve("a", 100, { rules: [ruleOf(slow)], amount: 1 });
    deepEqual([store.openReservations(), store.keys], [1, 1]);
    await clock.moveTo(100);
    deepEqual([store.openReservations(), store.keys], [0, 0]);
  });

  test("a store that is full of callers refuses new ones, and knows those it has", async () => {
    const store = new MemoryStore({ keysMax: 2, reservationsMax: 2 }, new FakeClock());
    const known = { rules: [ruleOf(slow)], amount: 1 };
    await store.take(known);
    const two = { rules: [ruleOf(slow), ruleOf(slow)], amount: 1 };
    await rejects(store.take(two), { name: "MeshError", fault: "overloaded" });
    await rejects(store.reserve("a", 100, two), { fault: "overloaded" });
    deepEqual([store.keys, store.openReservations()], [1, 0]);
    await store.take({ rules: [ruleOf(slow)], amount: 1 });
    await rejects(store.take({ rules: [ruleOf(slow)], amount: 1 }), { fault: "overloaded" });
    equal((await store.take(known)).states[0]?.remaining, 8);
  });

  test("buckets that are full again make room", async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ keysMax: 10, reservationsMax: 1 }, clock);
    for (let i = 0; i < 10; i += 1) await store.take({ rules: [ruleOf(brief)], amount: 1 });
    await clock.moveTo(11);
    equal((await store.take({ rules: [ruleOf(brief)], amount: 1 })).allowed, true);
  });

  test("callers that come and go do not pile up", async () => {
    const clock = new FakeClock();
    const store = new MemoryStore({ keysMax: 100_000, reservationsMax: 1 }, clock);
    for (let i = 0; i < 5_000; i += 1) {
      if (i % 10 === 0) await clock.moveTo(clock.nowMs() + 10);
      await store.take({ rules: [ruleOf(brief)], amount: 1 });
    }
    equal(store.keys < 100, true, `${store.keys} keys`);
  });
});

/** A busy process: timers fire long after their time. */
const lateTimers = { dateMs: () => 0, at: () => () => {} };
