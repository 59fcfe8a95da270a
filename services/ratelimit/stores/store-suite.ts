// What every store must do, run against each of them.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { MeshError } from "../../../lib/errors.js";
import type { TokenBucketQuota } from "../algorithms/quota.js";
import { runAlgorithmSuite } from "./algorithm-suite.js";
import type { Charge } from "./charge.js";
import {
  commit,
  holding,
  left,
  release,
  ruleOf,
  type StoreUnderTest,
  slow,
  spending,
} from "./suite-charges.js";

/** Open reservations that the stores of this suite hold, of one counter and in all. */
export const suiteReservationsMax = 12;

/** Refilled by one unit a millisecond. */
const quick: TokenBucketQuota = {
  algorithm: "token_bucket",
  perWindow: 1_000,
  windowMs: 1_000,
  burst: 20,
};

export function runStoreSuite(open: () => Promise<StoreUnderTest>): void {
  runAlgorithmSuite(open);
  runChargeCases(open);
  runReservationCases(open);
}

function runChargeCases(open: () => Promise<StoreUnderTest>): void {
  test("several rules are charged together or not at all", async () => {
    const { store } = await open();
    const [roomy, tight] = [ruleOf(slow), ruleOf({ ...slow, burst: 3 })];
    const both = spending(2, roomy, tight);
    equal((await store.spend(both)).allowed, true);
    const refused = await store.spend(both);
    equal(refused.allowed, false);
    deepEqual(
      refused.states.map(({ remaining, retryAfterMs }) => [remaining, retryAfterMs === 0]),
      [
        [8, true],
        [1, false],
      ],
    );
    equal(
      (await store.spend(holding({ id: randomUUID(), amount: 2 }, roomy, tight))).allowed,
      false,
    );
    deepEqual(await left(store, roomy, tight), [8, 1]);
  });

  test("each item has an amount of its own, and its state is at its place", async () => {
    const { store } = await open();
    const [requests, tokens] = [ruleOf(slow), ruleOf({ ...slow, burst: 1_000 })];
    const items = [
      { rule: tokens, amount: 700, isHeld: false },
      { rule: requests, amount: 1, isHeld: false },
    ];
    const first = await store.spend({ items });
    deepEqual(
      first.states.map(({ item, remaining }) => [item, remaining]),
      [
        [items[0], 300],
        [items[1], 9],
      ],
    );
    deepEqual([first.allowed, first.isDegraded], [true, false]);
    equal((await store.spend({ items })).allowed, false);
    deepEqual(await left(store, requests, tokens), [9, 300]);
  });

  test("without items everything is allowed", async () => {
    const { store } = await open();
    const nothing = { allowed: true, states: [], isDegraded: false };
    deepEqual(await store.peek({ items: [] }), nothing);
    deepEqual(await store.spend({ items: [] }), nothing);
  });

  test("an amount of 0 asks whether a unit would fit, and does not stop what else is spent", async () => {
    const { store } = await open();
    const [asked, spent] = [ruleOf({ ...slow, burst: 1 }), ruleOf(slow)];
    const charge: Charge = {
      items: [
        { rule: asked, amount: 0, isHeld: false },
        { rule: spent, amount: 2, isHeld: false },
      ],
    };
    equal((await store.spend(charge)).allowed, true);
    deepEqual(await left(store, asked, spent), [1, 8]);
    await store.spend(spending(1, asked));
    const refused = await store.spend(charge);
    equal(refused.allowed, false);
    ok((refused.states[0]?.retryAfterMs ?? 0) > 0);
    deepEqual(await left(store, asked, spent), [0, 8]);
  });

  test("what is held comes back, and what is spent for good beside it does not", async () => {
    const { store, wait } = await open();
    const [final, held] = [ruleOf(slow), ruleOf(slow)];
    const charge = (id: string): Charge => ({
      items: [
        { rule: final, amount: 1, isHeld: false },
        { rule: held, amount: 4, isHeld: true },
      ],
      reservation: { id, ttlMs: 300 },
    });
    const [released, abandoned] = [randomUUID(), randomUUID()];
    equal((await store.spend(charge(released))).allowed, true);
    equal((await store.spend(charge(abandoned))).allowed, true);
    equal((await store.spend(charge(randomUUID()))).allowed, false);
    deepEqual(await left(store, final, held), [8, 2]);
    await release(store, released);
    deepEqual(await left(store, final, held), [8, 6]);
    await wait(310);
    deepEqual(await left(store, final, held), [8, 10]);
  });

  test("calls at once share a burst exactly", async () => {
    const { store } = await open();
    const charge = spending(1, ruleOf(slow), ruleOf({ ...slow, burst: 1_000 }));
    const decisions = await Promise.all(Array.from({ length: 50 }, () => store.spend(charge)));
    equal(decisions.filter(({ allowed }) => allowed).length, 10);
  });
}

function runReservationCases(open: () => Promise<StoreUnderTest>): void {
  test("a reservation spends at once; released, it was never there", async () => {
    const { store } = await open();
    const rule = ruleOf(slow);
    const id = randomUUID();
    equal((await store.spend(holding({ id, amount: 10 }, rule))).allowed, true);
    equal((await store.spend(spending(1, rule))).allowed, false);
    await release(store, id);
    await release(store, id);
    deepEqual(await left(store, rule), [10]);
  });

  test("a committed reservation is final, whatever is said of it later", async () => {
    const { store } = await open();
    const rule = ruleOf(slow);
    const id = randomUUID();
    await store.spend(holding({ id, amount: 6 }, rule));
    await commit(store, id);
    await release(store, id);
    await commit(store, id);
    deepEqual(await left(store, rule), [4]);
  });

  test("of each amount at most what was used stays spent", async () => {
    const { store } = await open();
    const [many, few] = [ruleOf(slow), ruleOf(slow)];
    const id = randomUUID();
    const items = [
      { rule: many, amount: 8, isHeld: true },
      { rule: few, amount: 2, isHeld: true },
    ];
    await store.spend({ items, reservation: { id, ttlMs: 60_000 } });
    await store.settle([{ id, keptMax: 3 }]);
    await store.settle([{ id, keptMax: 1 }]);
    deepEqual(await left(store, many, few), [7, 8]);
    deepEqual(store.totals(), { opened: 1, committed: 1, released: 0, expired: 0 });
  });

  test("unknown reservations are ignored, and the others of the call are not", async () => {
    const { store } = await open();
    const rule = ruleOf(slow);
    const [first, second] = [randomUUID(), randomUUID()];
    await store.spend(holding({ id: first, amount: 5 }, rule));
    await store.spend(holding({ id: second, amount: 5 }, rule));
    await release(store, randomUUID(), first);
    await commit(store, second, randomUUID());
    await store.settle([]);
    deepEqual(await left(store, rule), [5]);
    deepEqual(store.totals(), { opened: 2, committed: 1, released: 1, expired: 0 });
  });

  test("the same reservation is spent once, also when both calls run at once", async () => {
    const { store } = await open();
    const rule = ruleOf(slow);
    const id = randomUUID();
    const charge = holding({ id, amount: 3 }, rule);
    const [first, second] = await Promise.all([store.spend(charge), store.spend(charge)]);
    deepEqual(second, first);
    deepEqual(await store.spend(holding({ id, amount: 7 }, rule)), first);
    equal(first.states[0]?.remaining, 7);
    deepEqual(await left(store, rule), [7]);
    equal(store.totals().opened, 1);
  });

  test("a refused reservation leaves nothing, and its id can be used again", async () => {
    const { store } = await open();
    const rule = ruleOf(slow);
    const id = randomUUID();
    equal((await store.spend(holding({ id, amount: 11 }, rule))).allowed, false);
    equal((await store.spend(holding({ id, amount: 10 }, rule))).allowed, true);
    await release(store, id);
    deepEqual(await left(store, rule), [10]);
  });

  test("an abandoned reservation comes back by itself, once, and takes no other along", async () => {
    const { store, wait } = await open();
    const rules = [ruleOf(slow), ruleOf(slow)];
    const [abandoned, kept] = [randomUUID(), randomUUID()];
    await store.spend(holding({ id: abandoned, amount: 4, ttlMs: 300 }, ...rules));
    await store.spend(holding({ id: kept, amount: 3 }, ...rules));
    deepEqual(await left(store, ...rules), [3, 3]);
    await wait(310);
    await commit(store, abandoned);
    await release(store, abandoned);
    deepEqual(await left(store, ...rules.slice(1)), [7]);
    deepEqual(await left(store, ...rules), [7, 7]);
    deepEqual(store.totals(), { opened: 2, committed: 0, released: 0, expired: 1 });
    equal((await store.spend(holding({ id: abandoned, amount: 7 }, ...rules))).allowed, true);
  });

  test("a reservation of which nobody hears again does not survive an idle bucket", async () => {
    const { store, wait } = await open();
    const rule = ruleOf(quick);
    await store.spend(holding({ id: randomUUID(), amount: 20, ttlMs: 30 }, rule));
    await wait(200);
    equal((await store.spend(spending(20, rule))).allowed, true);
    equal((await store.spend(spending(20, rule))).allowed, false);
  });

  test("too many open reservations are overload, and room comes back", async () => {
    const { store } = await open();
    const rule = ruleOf({ ...slow, burst: 100 });
    const hold = (id: string) => store.spend(holding({ id, amount: 1 }, rule));
    const ids = Array.from({ length: suiteReservationsMax }, () => randomUUID());
    for (const id of ids) equal((await hold(id)).allowed, true);
    await rejects(hold(randomUUID()), isOverloaded);
    deepEqual(await left(store, rule), [100 - suiteReservationsMax]);
    await commit(store, ...ids.slice(0, 1));
    equal((await hold(randomUUID())).allowed, true);
  });

  test("an id may be any text", async () => {
    const { store } = await open();
    const rule = ruleOf(slow);
    const ids = ["a b", "1 1 x", "line\nbreak", "nul\0nul", "snow ☃ 🏔"].map(
      (id) => `${id}${randomUUID()}`,
    );
    for (const id of ids) {
      equal((await store.spend(holding({ id, amount: 2 }, rule))).allowed, true);
    }
    await release(store, ...ids);
    deepEqual(await left(store, rule), [10]);
  });
}

function isOverloaded(error: unknown): boolean {
  return error instanceof MeshError && error.fault === "overloaded";
}
