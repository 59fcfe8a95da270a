import { deepEqual, equal, ok } from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "../../../lib/fake-clock.js";
import type { Quota } from "../algorithms/quota.js";
import type { AppliedRule, Charge } from "./charge.js";
import { FaultyStore } from "./faulty-store.js";
import { hotSpends, leaseMs } from "./lease.js";
import { LeasingStore, watchedMax } from "./leasing-store.js";
import { MemoryStore } from "./memory-store.js";
import { runStoreSuite, suiteReservationsMax } from "./store-suite.js";
import { holding, left, ruleOf, slow, spending } from "./suite-charges.js";

const bounds = { keysMax: 20_000, reservationsMax: suiteReservationsMax };
const many: Quota = { algorithm: "token_bucket", perWindow: 1, windowMs: 3_600_000, burst: 100 };

describe("a store whose units are leased", () => {
  runStoreSuite(async () => {
    const { clock, store } = leasing();
    return { store, wait: (ms) => clock.moveTo(clock.nowMs() + ms) };
  });

  test("is asked for several decisions of a hot counter at once, and for each of others", async () => {
    const { shared, store } = leasing();
    const [hot, plain] = [leased(many, 10), ruleOf(many)];
    await spendEach(store, hotSpends, hot);
    // The next one takes as many in advance as were spent in the time of a lease.
    equal(store.units, hotSpends);
    equal(shared.asked.spend, hotSpends);
    await spendEach(store, hotSpends, hot);
    deepEqual([store.units, store.decisions, shared.asked.spend], [0, hotSpends, hotSpends]);
    await spendEach(store, 20, plain);
    equal(shared.asked.spend, hotSpends + 20);
  });

  test("takes no more than the rule allows, and answers as if all were asked for", async () => {
    const { store } = leasing();
    const rule = leased(many, 10);
    for (let spent = 1; spent <= 60; spent += 1) {
      const { allowed, states } = await store.spend(spending(1, rule));
      deepEqual([allowed, states[0]?.remaining, states[0]?.retryAfterMs], [true, 100 - spent, 0]);
      ok(store.units <= 10, `${store.units} units`);
    }
    deepEqual(await left(store, rule), [40]);
    ok(store.decisions > 40, `${store.decisions} decisions`);
  });

  test("a lease that a file makes smaller is smaller at once, though its counter is hot", async () => {
    const { store } = leasing();
    const rule = leased(many, 10);
    await spendEach(store, 30, rule);
    const [smaller, none] = [
      { ...rule, lease: 2 },
      { ...rule, lease: undefined },
    ];
    await spendEach(store, store.units, rule);
    for (let spent = 0; spent < 10; spent += 1) {
      await spendEach(store, 1, smaller);
      ok(store.units <= 2, `${store.units} units`);
    }
    const decisions = store.decisions;
    await spendEach(store, 5, none);
    equal(store.decisions, decisions);
  });

  test("spends the last unit of a quota, and refuses then", async () => {
    const { store } = leasing();
    const rule = leased(many, 30);
    for (let spent = 0; spent < 100; spent += 1) {
      equal((await store.spend(spending(1, rule))).allowed, true, `${spent}`);
    }
    const { allowed, states } = await store.spend(spending(1, rule));
    deepEqual([allowed, states[0]?.remaining], [false, 0]);
  });

  test("uses what it holds for a part of a larger amount", async () => {
    const { shared, store } = leasing();
    const rule = leased(many, 10);
    await spendEach(store, hotSpends, rule);
    const held = store.units;
    equal((await store.spend(spending(100 - hotSpends, rule))).allowed, true);
    deepEqual([held, store.units, await left(shared, rule)], [hotSpends, 0, [0]]);
  });

  test("a refusal by another limit leaves what is held as it was", async () => {
    const { store } = leasing();
    const [hot, full] = [leased(many, 10), ruleOf(slow)];
    await store.spend(spending(10, full));
    await spendEach(store, hotSpends, hot);
    const { allowed, states } = await store.spend(spending(1, hot, full));
    deepEqual([allowed, store.units], [false, hotSpends]);
    deepEqual(
      states.map(({ item, remaining }) => [item.rule, remaining]),
      [
        [hot, 100 - hotSpends],
        [full, 0],
      ],
    );
  });

  test("what is not used comes back after the time of a lease, and when the process ends", async () => {
    const { clock, shared, store } = leasing();
    const rule = leased(many, 10);
    await spendEach(store, hotSpends, rule);
    deepEqual(await left(shared, rule), [100 - 2 * hotSpends]);
    await clock.moveTo(2 * leaseMs);
    deepEqual([store.units, await left(shared, rule)], [0, [100 - hotSpends]]);
    await spendEach(store, 2 * hotSpends, rule);
    await store.close();
    deepEqual([store.units, await left(shared, rule)], [0, [100 - 3 * hotSpends]]);
    equal(store.unitsLost, 0);
  });

  test("units of a fixed window end with it, and are not given back to the next", async () => {
    const { clock, shared, store } = leasing();
    const rule = leased({ algorithm: "fixed_window", units: 100, windowMs: 60_000 }, 10);
    await clock.moveTo(59_500);
    await spendEach(store, hotSpends, rule);
    ok(store.units > 0);
    await clock.moveTo(60_000);
    await shared.spend(spending(5, rule));
    await store.spend(spending(1, rule));
    deepEqual([await left(shared, rule), shared.asked.giveBack], [[94 - store.units], 0]);
  });

  test("a store that is away is asked for nothing in advance; what is held is still spent", async () => {
    const { clock, shared, store } = leasing();
    const rule = leased(many, 10);
    await spendEach(store, hotSpends, rule);
    shared.fault = "away";
    await spendEach(store, hotSpends, rule);
    await store.spend(spending(1, rule)).catch(() => undefined);
    equal(store.units, 0);
    shared.fault = "none";
    await spendEach(store, hotSpends, rule);
    ok(store.units > 0);
    shared.fault = "away";
    const held = store.units;
    await clock.moveTo(3 * leaseMs);
    deepEqual([store.units, store.unitsLost], [0, held]);
  });

  test("a decision without the shared counters grants nothing", async () => {
    const { clock, store: memory } = leasing();
    const degraded = new FaultyStore(memory);
    degraded.spend = async (charge) => ({ ...(await memory.spend(charge)), isDegraded: true });
    const store = new LeasingStore(degraded, clock);
    await spendEach(store, 10, leased(many, 10));
    deepEqual([store.units, store.decisions], [0, 0]);
  });

  test("what is held under a reservation is asked for", async () => {
    const { shared, store } = leasing();
    const rule = leased(many, 10);
    await spendEach(store, hotSpends, rule);
    await store.spend(holding({ id: "a", amount: 1 }, rule));
    deepEqual([shared.asked.spend, store.units], [hotSpends + 1, hotSpends]);
  });

  test("watches a bounded number of counters, and forgets those that are idle", async () => {
    const { clock, shared, store } = leasing();
    for (let key = 0; key < watchedMax; key += 1) await store.spend(spending(1, leased(many, 10)));
    const late = leased(many, 10);
    await spendEach(store, 10, late);
    equal(store.decisions, 0);
    for (let second = 1; second <= 4; second += 1) await clock.moveTo(second * leaseMs);
    const before = shared.asked.spend;
    await spendEach(store, 10, late);
    ok(shared.asked.spend - before < 10);
  });
});

function leasing() {
  const clock = new FakeClock();
  const shared = new FaultyStore(new MemoryStore(bounds, clock));
  return { clock, shared, store: new LeasingStore(shared, clock) };
}

function leased(quota: Quota, lease: number): AppliedRule {
  return { ...ruleOf(quota), lease };
}

async function spendEach(
  store: { spend(charge: Charge): Promise<{ readonly allowed: boolean }> },
  times: number,
  rule: AppliedRule,
): Promise<void> {
  for (let time = 0; time < times; time += 1) {
    equal((await store.spend(spending(1, rule))).allowed, true);
  }
}
