// What every store must do with each algorithm, run against each of them by store-suite.ts.

import { deepEqual, equal, ok } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { type ConcurrencyQuota, type Quota, refillMsOf } from "../algorithms/quota.js";
import type { Charge } from "./charge.js";
import {
  commit,
  holding,
  left,
  release,
  ruleOf,
  type StoreUnderTest,
  spending,
  timesAllowed,
} from "./suite-charges.js";

const hourMs = 3_600_000;
const yearMs = 31_536_000_000;

/** Ten units of each algorithm that counts what is spent, which do not come back while a test runs. */
const lasting: readonly Quota[] = [
  { algorithm: "token_bucket", perWindow: 1, windowMs: hourMs, burst: 10 },
  { algorithm: "sliding_window", units: 10, windowMs: yearMs },
  { algorithm: "fixed_window", units: 10, windowMs: yearMs },
];

/** Ten units of each algorithm, which are all back after half a second and its 64th part. */
const brief: readonly Quota[] = [
  { algorithm: "token_bucket", perWindow: 10, windowMs: 500, burst: 10 },
  { algorithm: "sliding_window", units: 10, windowMs: 500 },
  { algorithm: "fixed_window", units: 10, windowMs: 500 },
];

const slots: ConcurrencyQuota = { algorithm: "concurrency", slots: 3 };

export function runAlgorithmSuite(open: () => Promise<StoreUnderTest>): void {
  for (const quota of lasting) runSpendingCases(quota, open);
  for (const quota of brief) runRefillCase(quota, open);
  runRestoreCase(open);
  runSlotCases(open);
  runMixedCases(open);
}

function runRestoreCase(open: () => Promise<StoreUnderTest>): void {
  test("sliding_window: what was spent last is given back first, over several parts", async () => {
    const { store, wait } = await open();
    const rule = ruleOf({ algorithm: "sliding_window", units: 10, windowMs: 3_200 });
    for (const amount of [2, 3, 4]) {
      await store.spend(spending(amount, rule));
      await wait(60);
    }
    await store.giveBack(spending(6, rule).items);
    deepEqual(await left(store, rule), [7]);
    await store.giveBack(spending(2, rule).items);
    deepEqual(await left(store, rule), [9]);
  });
}

function runSpendingCases(quota: Quota, open: () => Promise<StoreUnderTest>): void {
  const { algorithm } = quota;

  test(`${algorithm}: its quota is allowed at once, and nothing beyond it`, async () => {
    const { store } = await open();
    const rule = ruleOf(quota);
    equal(await timesAllowed(3, () => store.spend(spending(4, rule))), 2);
    const { states } = await store.spend(spending(4, rule));
    const { remaining, retryAfterMs = 0, resetMs = 0 } = states[0] ?? {};
    equal(remaining, 2);
    ok(retryAfterMs > 0 && retryAfterMs <= resetMs, `${retryAfterMs} of ${resetMs}`);
    ok(resetMs <= (refillMsOf(quota) ?? 0) * (1 + 1 / 64));
    equal((await store.spend(spending(2, rule))).allowed, true);
    deepEqual(await left(store, rule), [0]);
  });

  test(`${algorithm}: what is given back can be spent again, and is never more than was spent`, async () => {
    const { store, wait } = await open();
    const [rule, other] = [ruleOf(quota), ruleOf(quota)];
    for (const amount of [3, 4]) {
      await store.spend(spending(amount, rule));
      await wait(20);
    }
    const { items } = spending(5, rule, other);
    const states = await store.giveBack(items);
    deepEqual(
      states.map(({ item, remaining }) => [item, remaining]),
      [
        [items[0], 8],
        [items[1], 10],
      ],
    );
    deepEqual(await left(store, rule, other), [8, 10]);
    await store.giveBack(items);
    deepEqual(await left(store, rule), [10]);
    equal((await store.spend(spending(11, rule))).allowed, false);
    equal((await store.spend(spending(10, rule))).allowed, true);
  });

  test(`${algorithm}: looking answers how it stands, and spends nothing`, async () => {
    const { store } = await open();
    const rule = ruleOf(quota);
    const looked = await store.peek(spending(10, rule));
    deepEqual(
      [looked.allowed, looked.states.map(({ item, ...numbers }) => numbers)],
      [true, [{ remaining: 10, resetMs: 0, retryAfterMs: 0 }]],
    );
    const { allowed, states } = await store.spend(spending(10, rule));
    deepEqual([allowed, states[0]?.remaining, states[0]?.retryAfterMs], [true, 0, 0]);
    ok((states[0]?.resetMs ?? 0) > 0);
    equal((await store.peek(spending(1, rule))).allowed, false);
  });

  test(`${algorithm}: an amount over the quota is refused without a time to come back`, async () => {
    const { store } = await open();
    for (const amount of [11, Number.MAX_SAFE_INTEGER]) {
      const { allowed, states } = await store.spend(spending(amount, ruleOf(quota)));
      deepEqual([allowed, states[0]?.retryAfterMs, states[0]?.remaining], [false, undefined, 10]);
    }
  });

  test(`${algorithm}: what is held is spent until it is committed, released or used in part`, async () => {
    const { store } = await open();
    const rule = ruleOf(quota);
    const [committed, released, used] = [randomUUID(), randomUUID(), randomUUID()];
    for (const id of [committed, released, used]) {
      equal((await store.spend(holding({ id, amount: 3 }, rule))).allowed, true);
    }
    deepEqual(await left(store, rule), [1]);
    await commit(store, committed);
    deepEqual(await left(store, rule), [1]);
    await release(store, released);
    deepEqual(await left(store, rule), [4]);
    await store.settle([{ id: used, keptMax: 1 }]);
    deepEqual(await left(store, rule), [6]);
  });

  test(`${algorithm}: using more than was held keeps what was held`, async () => {
    const { store } = await open();
    const rule = ruleOf(quota);
    const id = randomUUID();
    await store.spend(holding({ id, amount: 3 }, rule));
    await store.settle([{ id, keptMax: 5 }]);
    deepEqual(await left(store, rule), [7]);
  });
}

function runRefillCase(quota: Quota, open: () => Promise<StoreUnderTest>): void {
  test(`${quota.algorithm}: what was spent comes back with time, and no more than that`, async () => {
    const { store, wait } = await open();
    const rule = ruleOf(quota);
    equal((await store.spend(spending(10, rule))).allowed, true);
    await wait(510);
    deepEqual(await left(store, rule), [10]);
    // In a real store a fixed window may begin, and units may come back, while this runs.
    const allowed = await timesAllowed(25, () => store.spend(spending(1, rule)));
    ok(allowed >= 10 && allowed <= 20, String(allowed));
    await wait(1_020);
    const [stood] = (await store.peek(spending(1, rule))).states;
    deepEqual([stood?.remaining, stood?.resetMs], [10, 0]);
  });
}

function runSlotCases(open: () => Promise<StoreUnderTest>): void {
  test("concurrency: as many as there are slots are held at once, until one is given back", async () => {
    const { store } = await open();
    const rule = ruleOf(slots);
    const hold = (id: string) => store.spend(holding({ id, amount: 1 }, rule));
    const ids = Array.from({ length: 3 }, () => randomUUID());
    const held = await Promise.all(ids.map(hold));
    // A store may decide calls that are made at once in any order.
    held.sort((a, b) => (b.states[0]?.remaining ?? 0) - (a.states[0]?.remaining ?? 0));
    deepEqual(
      held.map(({ allowed, states }) => [allowed, states[0]?.remaining, states[0]?.retryAfterMs]),
      [
        [true, 2, 0],
        [true, 1, 0],
        [true, 0, 0],
      ],
    );
    const full = await hold(randomUUID());
    const { item, ...numbers } = full.states[0] ?? {};
    deepEqual([full.allowed, numbers], [false, { remaining: 0, resetMs: 0, retryAfterMs: 1_000 }]);
    await release(store, ids[1] ?? "");
    deepEqual(await left(store, rule), [1]);
    equal((await hold(randomUUID())).allowed, true);
    equal((await hold(randomUUID())).allowed, false);
  });

  test("concurrency: slots come back however a lease ends", async () => {
    const { store, wait } = await open();
    const rule = ruleOf(slots);
    const [committed, used, abandoned] = [randomUUID(), randomUUID(), randomUUID()];
    for (const id of [committed, used]) await store.spend(holding({ id, amount: 1 }, rule));
    await store.spend(holding({ id: abandoned, amount: 1, ttlMs: 300 }, rule));
    deepEqual(await left(store, rule), [0]);
    await commit(store, committed);
    await store.settle([{ id: used, keptMax: 1 }]);
    deepEqual(await left(store, rule), [2]);
    await wait(310);
    await release(store, abandoned);
    deepEqual(await left(store, rule), [3]);
  });

  test("concurrency: more slots than there are never fit", async () => {
    const { store } = await open();
    const rule = ruleOf(slots);
    const { allowed, states } = await store.spend(holding({ id: randomUUID(), amount: 4 }, rule));
    deepEqual([allowed, states[0]?.retryAfterMs, states[0]?.remaining], [false, undefined, 3]);
    equal((await store.peek(spending(0, rule))).allowed, true);
  });
}

function runMixedCases(open: () => Promise<StoreUnderTest>): void {
  test("rules of all algorithms are charged together or not at all", async () => {
    const { store } = await open();
    const windows = lasting.map((quota) => ruleOf(quota));
    const slot = ruleOf(slots);
    const charge = (amount: number, id: string): Charge => ({
      items: [...spending(amount, ...windows).items, ...holding({ id, amount: 1 }, slot).items],
      reservation: { id, ttlMs: 60_000 },
    });
    equal((await store.spend(charge(4, randomUUID()))).allowed, true);
    deepEqual(await left(store, ...windows, slot), [6, 6, 6, 2]);
    for (const tight of windows) {
      await store.spend(spending(4, tight));
      const standing = await left(store, ...windows, slot);
      equal((await store.spend(charge(4, randomUUID()))).allowed, false);
      deepEqual(await left(store, ...windows, slot), standing);
    }
    equal((await store.spend(charge(1, randomUUID()))).allowed, true);
    equal((await store.spend(charge(1, randomUUID()))).allowed, true);
    deepEqual(await left(store, ...windows, slot), [0, 0, 0, 0]);
  });

  test("a full slot leaves the windows untouched", async () => {
    const { store } = await open();
    const windows = lasting.map((quota) => ruleOf(quota));
    const slot = ruleOf({ ...slots, slots: 1 });
    const take = (id: string): Charge => ({
      items: [...spending(1, ...windows).items, ...holding({ id, amount: 1 }, slot).items],
      reservation: { id, ttlMs: 60_000 },
    });
    const first = randomUUID();
    equal((await store.spend(take(first))).allowed, true);
    equal((await store.spend(take(randomUUID()))).allowed, false);
    deepEqual(await left(store, ...windows, slot), [9, 9, 9, 0]);
    await release(store, first);
    deepEqual(await left(store, ...windows, slot), [9, 9, 9, 1]);
  });
}
