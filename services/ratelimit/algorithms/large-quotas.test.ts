// The largest windows and amounts, where sums are at risk of no longer being exact.

import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { assert } from "../../../lib/assert.js";
import { seeded } from "../../../test/support/random.js";
import { createModelCounter, type Range, type Spent } from "../stores/model-counters.js";
import { createCounter } from "./counter.js";
import { type TokenBucketQuota, unitsMaxOf, type WindowQuota } from "./quota.js";
import { capacityPartsMax, tokenBucketOf } from "./token-bucket.js";

type Random = ReturnType<typeof seeded>;

const dayMs = 86_400_000;
const windowsMs = [1_000, 60_000, 3_600_000, dayMs, 7 * dayMs, 30 * dayMs, 365 * dayMs];
const unitsMax = 1_000_000_000;
const startMs = 1_700_000_000_123;
const rounds = 80;
const steps = 100;

test("windows of up to a year and a billion units are as a list of what was spent says", (t) => {
  const random = seeded(t);
  for (let round = 0; round < rounds; round += 1) playWindow(random, anyWindow(random));
});

test("buckets of up to a year and a billion units admit rate * time + burst, and no unit less", (t) => {
  const random = seeded(t);
  for (let round = 0; round < rounds; round += 1) playBucket(random, anyBucket(random));
});

function playWindow(random: Random, quota: WindowQuota): void {
  const [counter, reference] = [createCounter(quota), createModelCounter(quota)];
  const list: Spent[] = [];
  for (const { nowMs, amount } of anySteps(random, quota)) {
    requireWithin(counter.remaining(nowMs), reference.remaining(nowMs));
    requireWithin(counter.resetMs(nowMs), reference.resetMs(nowMs));
    const waitMs = counter.waitMs(nowMs, amount);
    requireWithin(waitMs, reference.waitMs(nowMs, amount));
    if (waitMs === 0) {
      counter.spend(nowMs, amount);
      list.push(reference.spend(nowMs, amount));
    }
    const spent = list[random.int(2 * list.length)];
    if (spent === undefined || spent.units === 0) continue;
    const back = 1 + random.int(spent.units);
    counter.giveBack(nowMs, back, spent.atMs);
    reference.giveBack(nowMs, spent, back);
  }
}

function playBucket(random: Random, quota: TokenBucketQuota): void {
  const bucket = createCounter(quota);
  const admitted: Spent[] = [];
  for (const { nowMs, amount } of anySteps(random, quota)) {
    const waitMs = bucket.waitMs(nowMs, amount) ?? Number.NaN;
    ok(hasRoom(quota, admitted, { atMs: nowMs + waitMs, units: amount }), "a wait that is enough");
    const sooner = { atMs: nowMs + waitMs - 1, units: amount };
    ok(waitMs === 0 || !hasRoom(quota, admitted, sooner), "no longer than needed");
    const remaining = bucket.remaining(nowMs);
    ok(hasRoom(quota, admitted, { atMs: nowMs, units: remaining }));
    equal(hasRoom(quota, admitted, { atMs: nowMs, units: remaining + 1 }), false);
    if (waitMs > 0) continue;
    bucket.spend(nowMs, amount);
    admitted.push({ atMs: nowMs, units: amount });
  }
}

/** Whether every window that ends with `added` stays within rate * time + burst, in numbers of any size. */
function hasRoom(quota: TokenBucketQuota, before: readonly Spent[], added: Spent): boolean {
  const [perWindow, windowMs] = [BigInt(quota.perWindow), BigInt(quota.windowMs)];
  const capacity = BigInt(quota.burst) * windowMs;
  let parts = 0n;
  return [...before, added].reverse().every(({ atMs, units }) => {
    parts += BigInt(units) * windowMs;
    return parts <= perWindow * BigInt(added.atMs - atMs) + capacity;
  });
}

/** Pauses of a few milliseconds, of parts of a window, and of all of it. */
function* anySteps({ int, pick }: Random, quota: WindowQuota | TokenBucketQuota) {
  const units = unitsMaxOf(quota);
  const unitMs = Math.ceil(quota.windowMs / units);
  let nowMs = startMs;
  for (let step = 0; step < steps; step += 1) {
    nowMs += int(pick([1, 3, 3 * unitMs, quota.windowMs / 64, quota.windowMs / 4, quota.windowMs]));
    yield { nowMs, amount: 1 + int(pick([1, units, units / 4, units / 50])) };
  }
}

function anyWindow({ int, pick }: Random): WindowQuota {
  const algorithm = pick(["sliding_window", "fixed_window"] as const);
  return {
    algorithm,
    units: pick([1, 10, unitsMax, 1 + int(unitsMax)]),
    windowMs: pick(windowsMs),
  };
}

/** Of a rate in lowest terms, as rules are read, and a burst that is counted exactly. */
function anyBucket({ int, pick }: Random): TokenBucketQuota {
  const [units, wholeMs] = [pick([1, 10, unitsMax, 1 + int(unitsMax)]), pick(windowsMs)];
  const least = tokenBucketOf({ units, windowMs: wholeMs, burst: 1 });
  assert(least !== undefined);
  const burstMax = Math.min(unitsMax, Math.floor(capacityPartsMax / least.windowMs));
  return { ...least, burst: pick([1, burstMax, 1 + int(burstMax)]) };
}

function requireWithin(actual: number | undefined, [least, most]: Range): void {
  ok(actual !== undefined && actual >= least && actual <= most, `${actual}, not ${least}..${most}`);
}
