import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { describe, test } from "node:test";
import { FakeClock } from "../../../lib/fake-clock.js";
import type { Quota } from "../algorithms/quota.js";
import type { AppliedRule, Charge, Decision, OnStoreFailure } from "./charge.js";
import { failuresMax, probeWaitMs } from "./circuit-breaker.js";
import { FaultyStore } from "./faulty-store.js";
import { GuardedStore } from "./guarded-store.js";
import { settlementsKeptMax } from "./kept-settlements.js";
import { MemoryStore } from "./memory-store.js";
import { runStoreSuite, suiteReservationsMax } from "./store-suite.js";
import { commit, holding, left, release, ruleOf, slow, spending } from "./suite-charges.js";

const budgetMs = 20;
const memoryBounds = { keysMax: 1_000, reservationsMax: suiteReservationsMax };
const slots: Quota = { algorithm: "concurrency", slots: 8 };

describe("a guarded store that answers", () => {
  runStoreSuite(async () => {
    const { clock, store } = guarded();
    return { store, wait: (ms) => clock.moveTo(clock.nowMs() + ms) };
  });

  test("is asked for every decision, which are not degraded", async () => {
    const { store, shared } = guarded();
    const rule = ruleOf(slow);
    equal((await store.spend(spending(4, rule))).isDegraded, false);
    equal((await store.peek(spending(1, rule))).isDegraded, false);
    deepEqual(shared.asked, { peek: 1, spend: 1, giveBack: 0, settle: 0 });
  });

  test("is not asked to decide about nothing", async () => {
    const { store, shared } = guarded();
    shared.fault = "away";
    deepEqual(await store.spend({ items: [] }), { allowed: true, states: [], isDegraded: false });
    deepEqual(await store.peek({ items: [] }), { allowed: true, states: [], isDegraded: false });
    deepEqual(shared.asked, { peek: 0, spend: 0, giveBack: 0, settle: 0 });
  });
});

describe("without the shared store", () => {
  test("a rule that allows is skipped: as if nothing was spent of it", async () => {
    const { store, shared } = guarded();
    shared.fault = "away";
    const charge = spending(1_000, failing("allow"));
    const [item] = charge.items;
    deepEqual(await store.spend(charge), {
      allowed: true,
      states: [{ item, remaining: 10, resetMs: 0, retryAfterMs: 0 }],
      isDegraded: true,
    });
  });

  test("a rule that refuses makes the whole decision unavailable, and nothing is spent", async () => {
    const { store, shared } = guarded();
    shared.fault = "away";
    const local = failing("degrade");
    const charge = spending(1, local, failing("allow"), failing("refuse"));
    for (const act of ["spend", "peek"] as const) {
      await rejects(store[act](charge), (thrown: Error & Record<string, unknown>) => {
        deepEqual([thrown.fault, thrown.details], ["unavailable", { retryAfterMs: 1_000 }]);
        return true;
      });
    }
    deepEqual(await left(store, local), [10]);
  });

  test("a rule that degrades is counted here, with a share of the quota", async () => {
    const { store, shared } = guarded({ replicas: 4 });
    shared.fault = "away";
    const [bucket, window, held] = [
      failing("degrade"),
      failing("degrade", { algorithm: "fixed_window", units: 9, windowMs: 3_600_000 }),
      failing("degrade", slots),
    ];
    deepEqual(await left(store, bucket, window, held), [2, 2, 2]);
    equal((await store.spend(spending(2, bucket, window))).allowed, true);
    const { allowed, states, isDegraded } = await store.spend(spending(1, bucket, window));
    deepEqual([allowed, isDegraded], [false, true]);
    deepEqual(
      states.map(({ item, remaining }) => [item.rule, remaining]),
      [
        [bucket, 0],
        [window, 0],
      ],
    );
  });

  test("what was spent here can be given back here", async () => {
    const { store, shared } = guarded();
    shared.fault = "away";
    const [counted, skipped, refusing] = [failing("degrade"), failing("allow"), failing("refuse")];
    await store.spend(spending(6, counted));
    const states = await store.giveBack(spending(2, skipped, counted).items);
    deepEqual(
      states.map(({ item, remaining }) => [item.rule, remaining]),
      [
        [skipped, 10],
        [counted, 6],
      ],
    );
    await rejects(store.giveBack(spending(1, refusing).items), { fault: "unavailable" });
  });

  test("an amount that only the whole quota has room for is to be tried again", async () => {
    const { store, shared } = guarded({ replicas: 2 });
    shared.fault = "away";
    const rule = failing("degrade");
    const retryOf = async (amount: number) =>
      (await store.spend(spending(amount, rule))).states[0]?.retryAfterMs;
    deepEqual([await retryOf(6), await retryOf(11)], [1_000, undefined]);
  });

  test("items of both kinds are spent together or not at all, in their order", async () => {
    const { store, shared } = guarded();
    shared.fault = "away";
    const [skipped, small, large] = [
      failing("allow"),
      failing("degrade"),
      failing("degrade", { ...slow, burst: 100 }),
    ];
    const charge = spending(11, large, skipped, small);
    const refused = await store.spend(charge);
    deepEqual(remainings(refused), [false, 100, 10, 10]);
    deepEqual(
      refused.states.map(({ item }) => item),
      charge.items,
    );
    deepEqual(remainings(await store.spend(spending(6, large, skipped, small))), [true, 94, 10, 4]);
  });

  test("overload and bugs are no outage: the caller hears of them", async () => {
    const { store, shared } = guarded();
    const charge = spending(1, failing("allow"));
    shared.fault = "overloaded";
    for (let call = 0; call <= failuresMax; call += 1) {
      await rejects(store.spend(charge), { name: "MeshError", fault: "overloaded" });
    }
    shared.fault = "broken";
    await rejects(store.spend(charge), TypeError);
    deepEqual([store.status().breaker, store.status().errors], ["closed", 0]);
  });
});

describe("the budget", () => {
  test("a decision waits for the shared store no longer than that", async () => {
    const { store, shared, clock } = guarded();
    shared.fault = "paused";
    const decision = store.spend(spending(1, failing("degrade")));
    await clock.moveTo(budgetMs - 1);
    equal(await settledNow(decision), false);
    await clock.moveTo(budgetMs + 1);
    await clock.moveTo(budgetMs + 2);
    deepEqual(remainings(await decision), [true, 9]);
    const { timeouts, unknownOutcomes, errors } = store.status();
    deepEqual(
      { timeouts, unknownOutcomes, errors },
      { timeouts: 1, unknownOutcomes: 1, errors: 0 },
    );
  });

  test("what arrived while the process was busy still counts", async () => {
    const { store, shared, clock } = guarded();
    shared.fault = "paused";
    const decision = store.spend(spending(1, failing("refuse")));
    await clock.moveTo(10 * budgetMs);
    shared.goOn();
    deepEqual(remainings(await decision), [true, 9]);
    equal(store.status().timeouts, 0);
  });

  test("what was spent too late for its decision is spent in both places", async () => {
    const { store, shared, memory, clock } = guarded();
    shared.fault = "paused";
    const rule = failing("degrade");
    const decision = store.spend(spending(4, rule));
    await passBudget(clock);
    equal((await decision).isDegraded, true);
    shared.goOn();
    await clock.moveTo(clock.nowMs());
    deepEqual(await left(memory, rule), [6]);
  });

  test("a store that answers late every time is not waited for any more", async () => {
    const { store, shared, clock } = guarded();
    const charge = spending(1, failing("degrade"));
    shared.fault = "paused";
    for (let call = 0; call < failuresMax; call += 1) {
      const decision = store.spend(charge);
      await passBudget(clock);
      ok((await decision).isDegraded);
    }
    equal(store.status().breaker, "open");
    ok(await settledNow(store.spend(charge)));
    equal(shared.asked.spend, failuresMax);
  });
});

describe("the breaker", () => {
  test("opens after failures in a row only", async () => {
    const { store, shared } = guarded();
    const charge = spending(0, failing("degrade"));
    for (let round = 0; round < 3; round += 1) {
      shared.fault = "away";
      for (let call = 1; call < failuresMax; call += 1) await store.spend(charge);
      shared.fault = "none";
      await store.spend(charge);
    }
    equal(store.status().breaker, "closed");
  });

  test("is half open while a probe is under way, which no caller waits for", async () => {
    const { store, shared, clock } = guarded();
    await breakDown({ store, shared });
    shared.fault = "paused";
    await clock.moveTo(probeWaitMs);
    equal(store.status().breaker, "half_open");
    ok(await settledNow(store.spend(spending(1, failing("degrade")))));
    await passBudget(clock);
    equal(store.status().breaker, "open");
  });

  test("closes when the store is back, without a call and without a restart", async () => {
    const { store, shared, clock, lines } = guarded();
    await clock.moveTo(5_000);
    await breakDown({ store, shared });
    deepEqual([store.isReady(), store.status().degradedSinceMs], [false, 5_000]);
    for (let probe = 1; probe <= 4; probe += 1) await clock.moveTo(5_000 + probe * probeWaitMs);
    equal(store.status().breaker, "open");
    shared.fault = "none";
    await clock.moveTo(clock.nowMs() + probeWaitMs);
    deepEqual([store.isReady(), store.status().degradedSinceMs], [true, undefined]);
    equal((await store.spend(spending(1, failing("refuse")))).isDegraded, false);
    deepEqual(lines, ["limits are decided without the shared store", "limits are shared again"]);
  });

  test("stays open for a store that is overloaded, and closes for one that is wrong", async () => {
    const { store, shared, clock } = guarded();
    await breakDown({ store, shared });
    shared.fault = "overloaded";
    await clock.moveTo(probeWaitMs);
    equal(store.status().breaker, "open");
    shared.fault = "broken";
    await clock.moveTo(2 * probeWaitMs);
    equal(store.status().breaker, "closed");
    await rejects(store.spend(spending(1, failing("allow"))), TypeError);
  });

  test("is open from the start if the store is away then", async () => {
    const { store, shared } = guarded();
    shared.fault = "away";
    await store.start();
    equal(store.status().breaker, "open");
    equal(shared.asked.spend, 0);
  });

  test("a closed store probes no more", async () => {
    const { store, shared, clock } = guarded();
    await breakDown({ store, shared });
    shared.fault = "paused";
    await clock.moveTo(probeWaitMs);
    store.close();
    const { peek } = shared.asked;
    await passBudget(clock);
    await clock.moveTo(clock.nowMs() + 10 * probeWaitMs);
    equal(shared.asked.peek, peek);
  });
});

describe("reservations and outages", () => {
  test("what was reserved here is settled here, and the shared store hears nothing of it", async () => {
    const { store, shared, clock } = guarded();
    await breakDown({ store, shared });
    const rule = failing("degrade");
    for (const id of ["a", "b", "c"]) await store.spend(holding({ id, amount: 3 }, rule));
    deepEqual(await left(store, rule), [1]);
    await release(store, "a");
    await commit(store, "b");
    deepEqual(await left(store, rule), [4]);
    shared.fault = "none";
    await clock.moveTo(probeWaitMs);
    await release(store, "c");
    deepEqual([shared.asked.settle, store.status().settlementsKept], [0, 0]);
    const { opened, committed, released } = store.totals();
    deepEqual({ opened, committed, released }, { opened: 3, committed: 1, released: 2 });
  });

  test("what ends during an outage is settled in the shared store afterwards", async () => {
    const { store, shared, clock, memory } = guarded();
    const rule = failing("degrade");
    for (const id of ["a", "b"]) await store.spend(holding({ id, amount: 4 }, rule));
    await breakDown({ store, shared });
    await release(store, "a");
    await store.settle([{ id: "b", keptMax: 1 }]);
    equal(store.status().settlementsKept, 2);
    shared.fault = "none";
    deepEqual(await left(memory, rule), [2]);
    await clock.moveTo(probeWaitMs);
    await clock.moveTo(clock.nowMs());
    deepEqual(await left(memory, rule), [9]);
    deepEqual([store.status().settlementsKept, shared.asked.settle], [0, 1]);
  });

  test("a settlement that failed once is tried again soon", async () => {
    const { store, shared, clock, memory } = guarded();
    const rule = failing("degrade");
    await store.spend(holding({ id: "a", amount: 4 }, rule));
    shared.fault = "away";
    await release(store, "a");
    deepEqual([store.status().breaker, store.status().settlementsKept], ["closed", 1]);
    shared.fault = "overloaded";
    await clock.moveTo(1_000);
    equal(store.status().settlementsKept, 1);
    shared.fault = "none";
    await clock.moveTo(2_000);
    deepEqual([await left(memory, rule), store.status().settlementsKept], [[10], 0]);
  });

  test("a settlement that the store rejects is dropped, counted and logged", async () => {
    const { store, shared, clock, lines } = guarded();
    await store.spend(holding({ id: "a", amount: 4 }, failing("degrade")));
    shared.fault = "away";
    await release(store, "a");
    shared.fault = "broken";
    await clock.moveTo(1_000);
    deepEqual([store.status().settlementsKept, store.status().settlementsDropped], [0, 1]);
    deepEqual(lines, ["settlements were rejected"]);
  });

  test("one whose time is over is dropped and counted", async () => {
    const { store, shared, clock } = guarded();
    await breakDown({ store, shared });
    await release(store, "a");
    await clock.moveTo(600_001);
    await release(store, "b");
    deepEqual([store.status().settlementsKept, store.status().settlementsDropped], [1, 1]);
  });

  test("when too many wait the caller hears of it", async () => {
    const { store, shared } = guarded();
    await breakDown({ store, shared });
    const ids = Array.from({ length: settlementsKeptMax }, (_, index) => `${index}`);
    await release(store, ...ids);
    await rejects(release(store, "one more"), { name: "MeshError", fault: "unavailable" });
    equal(store.status().settlementsKept, settlementsKeptMax);
  });

  test("a reservation that was made too late is settled in both places", async () => {
    const { store, shared, clock, memory } = guarded();
    const rule = failing("degrade");
    shared.fault = "paused";
    const decision = store.spend(holding({ id: "a", amount: 4 }, rule));
    await passBudget(clock);
    equal((await decision).isDegraded, true);
    shared.goOn();
    await release(store, "a");
    deepEqual(await left(memory, rule), [10]);
    equal(store.totals().released, 2);
  });
});

function guarded({ replicas = 1 } = {}) {
  const clock = new FakeClock();
  const memory = new MemoryStore(memoryBounds, clock);
  const shared = new FaultyStore(memory);
  const local = new MemoryStore(memoryBounds, clock);
  const lines: string[] = [];
  const add = (...parts: readonly unknown[]) => lines.push(String(parts.at(-1)));
  const log = { info: add, warn: add, error: add };
  const bounds = { decisionBudgetMs: budgetMs, replicas };
  const store = new GuardedStore({ shared, local }, bounds, { clock, log });
  return { clock, memory, shared, lines, store };
}

function failing(onStoreFailure: OnStoreFailure, quota: Quota = slow): AppliedRule {
  return { ...ruleOf(quota), onStoreFailure };
}

/** Lets the shared store be away until the breaker is open. */
async function breakDown({
  store,
  shared,
}: {
  readonly store: GuardedStore;
  readonly shared: FaultyStore;
}): Promise<void> {
  shared.fault = "away";
  const charge: Charge = spending(1, failing("allow"));
  for (let call = 0; call < failuresMax; call += 1) await store.spend(charge);
  equal(store.status().breaker, "open");
}

/** The budget, and the turn that answers have after it. */
async function passBudget(clock: FakeClock): Promise<void> {
  await clock.moveTo(clock.nowMs() + budgetMs);
  await clock.moveTo(clock.nowMs() + 1);
}

/** Whether it needs nothing more than the turn of the event loop that is under way. */
async function settledNow(work: Promise<unknown>): Promise<boolean> {
  return await Promise.race([
    work.then(() => true),
    new Promise<boolean>((resolve) => setImmediate(() => resolve(false))),
  ]);
}

function remainings({ allowed, states }: Decision) {
  return [allowed, ...states.map(({ remaining }) => remaining)];
}
