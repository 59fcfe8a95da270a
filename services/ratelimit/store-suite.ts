// What every store must do, run against each of them.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import { MeshError } from "../../lib/errors.js";
import type { AppliedRule, Charge } from "./decision.js";
import type { Bucket } from "./gcra.js";
import type { LimitStore } from "./store.js";

/** A store under test, and time as it sees it. */
export interface StoreUnderTest {
  readonly store: LimitStore;
  readonly wait: (ms: number) => Promise<void>;
}

/** Open reservations that the stores of this suite hold, of one counter and in all. */
export const suiteReservationsMax = 12;

/** Refilled too slowly for any test to notice. */
export const slow: Bucket = { perWindow: 1, windowMs: 3_600_000, burst: 10 };
/** Refilled by one unit a millisecond. */
const quick: Bucket = { perWindow: 1_000, windowMs: 1_000, burst: 1_000 };

/** A rule with a counter of its own. */
export function ruleOf(bucket: Bucket, key = randomUUID()): AppliedRule {
  return { name: "rule", key, bucket };
}

export function runStoreSuite(open: () => Promise<StoreUnderTest>): void {
  test("a burst is allowed at once, and nothing beyond it", async () => {
    const { store } = await open();
    const charge = chargeOf(4);
    deepEqual(await outcomes(3, () => store.take(charge)), [true, true, false]);
    const { states } = await store.take(charge);
    equal(states[0]?.remaining, 2);
    ok(isNear(states[0]?.retryAfterMs, 2 * slow.windowMs));
    ok(isNear(states[0]?.resetMs, 8 * slow.windowMs));
    equal((await store.take({ ...charge, amount: 2 })).allowed, true);
  });

  test("looking answers what taking would, and spends nothing", async () => {
    const { store } = await open();
    const charge = chargeOf(10);
    deepEqual(await outcomes(3, () => store.peek(charge)), [true, true, true]);
    const looked = await store.peek(charge);
    deepEqual(await store.take(charge), looked);
    equal((await store.peek(charge)).allowed, false);
  });

  test("what was spent comes back with time, and no more than that", async () => {
    const { store, wait } = await open();
    const rules = [ruleOf({ perWindow: 1_000, windowMs: 10_000, burst: 1_000 })];
    equal((await store.take({ rules, amount: 1_000 })).allowed, true);
    await wait(200);
    const { states, allowed } = await store.peek({ rules, amount: 1_000 });
    equal(allowed, false);
    const { remaining = 0, retryAfterMs = 0 } = states[0] ?? {};
    // One every 10 ms; a real clock may be some of them early, and a busy machine late.
    ok(remaining >= 15 && remaining < 1_000, String(remaining));
    ok(retryAfterMs > (999 - remaining) * 10 && retryAfterMs <= (1_000 - remaining) * 10);
    await wait(1_000);
    equal((await store.take({ rules, amount: 100 })).allowed, true);
  });

  test("several rules are charged together or not at all", async () => {
    const { store } = await open();
    const [roomy, tight] = [ruleOf(slow), ruleOf({ ...slow, burst: 3 })];
    const both = { rules: [roomy, tight], amount: 2 };
    equal((await store.take(both)).allowed, true);
    const refused = await store.take(both);
    equal(refused.allowed, false);
    deepEqual(
      refused.states.map(({ remaining, retryAfterMs }) => [remaining, retryAfterMs === 0]),
      [
        [8, true],
        [1, false],
      ],
    );
    equal((await store.reserve(randomUUID(), 1_000, both)).allowed, false);
    equal((await store.take({ rules: [roomy], amount: 8 })).allowed, true);
  });

  test("an amount over the burst is refused without a time to come back", async () => {
    const { store } = await open();
    for (const amount of [11, Number.MAX_SAFE_INTEGER]) {
      const { allowed, states } = await store.take(chargeOf(amount));
      deepEqual([allowed, states[0]?.retryAfterMs, states[0]?.remaining], [false, undefined, 10]);
    }
  });

  test("without rules everything is allowed", async () => {
    const { store } = await open();
    const charge = { rules: [], amount: Number.MAX_SAFE_INTEGER };
    const nothing = { allowed: true, states: [] };
    deepEqual(await store.peek(charge), nothing);
    deepEqual(await store.take(charge), nothing);
    deepEqual(await store.reserve(randomUUID(), 1_000, charge), nothing);
  });

  test("a reservation spends at once; released, it was never there", async () => {
    const { store } = await open();
    const charge = chargeOf(10);
    const id = randomUUID();
    equal((await store.reserve(id, 60_000, charge)).allowed, true);
    equal((await store.take({ ...charge, amount: 1 })).allowed, false);
    await store.release([id]);
    await store.release([id]);
    deepEqual(await left(store, charge), [10]);
  });

  test("a committed reservation is final, whatever is said of it later", async () => {
    const { store } = await open();
    const charge = chargeOf(6);
    const id = randomUUID();
    await store.reserve(id, 60_000, charge);
    await store.commit([id]);
    await store.release([id]);
    await store.commit([id]);
    deepEqual(await left(store, charge), [4]);
  });

  test("unknown reservations are ignored, and the others of the call are not", async () => {
    const { store } = await open();
    const charge = chargeOf(5);
    const [first, second] = [randomUUID(), randomUUID()];
    await store.reserve(first, 60_000, charge);
    await store.reserve(second, 60_000, charge);
    await store.release([randomUUID(), first]);
    await store.commit([second, randomUUID()]);
    await store.release([]);
    await store.commit([]);
    deepEqual(await left(store, charge), [5]);
    deepEqual(store.totals(), { opened: 2, committed: 1, released: 1, expired: 0 });
  });

  test("the same reservation is spent once, also when both calls run at once", async () => {
    const { store } = await open();
    const charge = chargeOf(3);
    const id = randomUUID();
    const [first, second] = await Promise.all([
      store.reserve(id, 60_000, charge),
      store.reserve(id, 60_000, charge),
    ]);
    deepEqual(second, first);
    deepEqual(await store.reserve(id, 60_000, chargeOf(7)), first);
    equal(first.states[0]?.remaining, 7);
    deepEqual(await left(store, charge), [7]);
    equal(store.totals().opened, 1);
  });

  test("a refused reservation leaves nothing, and its id can be used again", async () => {
    const { store } = await open();
    const rule = ruleOf(slow);
    const id = randomUUID();
    equal((await store.reserve(id, 60_000, { rules: [rule], amount: 11 })).allowed, false);
    equal((await store.reserve(id, 60_000, { rules: [rule], amount: 10 })).allowed, true);
    await store.release([id]);
    deepEqual(await left(store, { rules: [rule] }), [10]);
  });

  test("an abandoned reservation comes back by itself, once, and takes no other along", async () => {
    const { store, wait } = await open();
    const rules = [ruleOf(slow), ruleOf(slow)];
    const [abandoned, kept] = [randomUUID(), randomUUID()];
    await store.reserve(abandoned, 50, { rules, amount: 4 });
    await store.reserve(kept, 60_000, { rules, amount: 3 });
    deepEqual(await left(store, { rules }), [3, 3]);
    await wait(60);
    await store.commit([abandoned]);
    await store.release([abandoned]);
    deepEqual(await left(store, { rules: rules.slice(1) }), [7]);
    deepEqual(await left(store, { rules }), [7, 7]);
    deepEqual(store.totals(), { opened: 2, committed: 0, released: 0, expired: 1 });
    equal((await store.reserve(abandoned, 60_000, { rules, amount: 7 })).allowed, true);
  });

  test("a reservation of which nobody hears again does not survive an idle bucket", async () => {
    const { store, wait } = await open();
    const charge = { rules: [ruleOf({ ...quick, burst: 20 })], amount: 20 };
    equal((await store.reserve(randomUUID(), 30, charge)).allowed, true);
    await wait(200);
    deepEqual((await store.take(charge)).allowed, true);
    equal((await store.take(charge)).allowed, false);
  });

  test("too many open reservations are overload, and room comes back", async () => {
    const { store } = await open();
    const charge = { rules: [ruleOf({ ...slow, burst: 100 })], amount: 1 };
    const ids = Array.from({ length: suiteReservationsMax }, () => randomUUID());
    for (const id of ids) equal((await store.reserve(id, 60_000, charge)).allowed, true);
    await rejects(store.reserve(randomUUID(), 60_000, charge), isOverloaded);
    deepEqual(await left(store, charge), [100 - suiteReservationsMax]);
    await store.commit(ids.slice(0, 1));
    equal((await store.reserve(randomUUID(), 60_000, charge)).allowed, true);
  });

  test("an id may be any text", async () => {
    const { store } = await open();
    const charge = chargeOf(2);
    const ids = ["a b", "1 1 x", "line\nbreak", "nul\0nul", "snow ☃ 🏔"].map(
      (id) => `${id}${randomUUID()}`,
    );
    for (const id of ids) equal((await store.reserve(id, 60_000, charge)).allowed, true);
    await store.release(ids);
    deepEqual(await left(store, charge), [10]);
  });

  test("calls at once share a burst exactly", async () => {
    const { store } = await open();
    const charge = chargeOf(1);
    const decisions = await Promise.all(Array.from({ length: 50 }, () => store.take(charge)));
    equal(decisions.filter(({ allowed }) => allowed).length, slow.burst);
  });
}

function chargeOf(amount: number): Charge {
  return { rules: [ruleOf(slow)], amount };
}

/** What each rule has left: a look at one unit answers as if that was spent, where there is one. */
export async function left(store: LimitStore, { rules }: Pick<Charge, "rules">): Promise<number[]> {
  const { allowed, states } = await store.peek({ rules, amount: 1 });
  return states.map(({ remaining }) => remaining + (allowed ? 1 : 0));
}

async function outcomes(times: number, call: () => Promise<{ readonly allowed: boolean }>) {
  const results: boolean[] = [];
  for (let i = 0; i < times; i += 1) results.push((await call()).allowed);
  return results;
}

/** Real time passes in some stores, much less than a minute of it. */
function isNear(actual: number | undefined, expected: number): boolean {
  return actual !== undefined && actual <= expected && actual > expected - 60_000;
}

function isOverloaded(error: unknown): boolean {
  return error instanceof MeshError && error.fault === "overloaded";
}
