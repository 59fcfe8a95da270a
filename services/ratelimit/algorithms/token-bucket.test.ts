import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { TokenBucketQuota } from "./quota.js";
import { TokenBucket } from "./token-bucket.js";

/** One unit every 20 ms, 5 at once. */
const even = quotaOf(50, 1_000, 5);
/** Three units take a second: no whole number of milliseconds each. */
const uneven = quotaOf(3, 1_000, 2);

test("how long an amount has to wait, by what is left", () => {
  const table: [left: number, amount: number, wait: number | undefined][] = [
    [5, 1, 0],
    [5, 5, 0],
    [5, 6, undefined],
    [0, 6, undefined],
    [5, Number.MAX_SAFE_INTEGER, undefined],
    [4, 5, 20],
    [0, 1, 20],
    [0, 5, 100],
    [2, 3, 20],
  ];
  for (const [left, amount, wait] of table) {
    equal(spentFrom(even, 5 - left).waitMs(0, amount), wait, `${amount} of ${left}`);
  }
});

test("waits and resets round up, what is left rounds down", () => {
  const bucket = spentFrom(uneven, 2);
  const at = (nowMs: number) => [
    bucket.remaining(nowMs),
    bucket.resetMs(nowMs),
    bucket.waitMs(nowMs, 1),
  ];
  deepEqual(at(0), [0, 667, 334]);
  deepEqual(at(333), [0, 334, 1]);
  deepEqual(at(334), [1, 333, 0]);
  deepEqual(at(666), [1, 1, 0]);
  deepEqual(at(667), [2, 0, 0]);
});

test("waiting as long as told is enough, and a millisecond less is not", () => {
  for (const tried of [even, uneven, quotaOf(7, 60_000, 11)]) {
    for (let amount = 1; amount <= tried.burst; amount += 1) {
      const bucket = spentFrom(tried, tried.burst);
      const wait = bucket.waitMs(0, amount) ?? 0;
      equal(bucket.waitMs(wait, amount), 0);
      equal(bucket.waitMs(wait - 1, amount), 1);
    }
  }
});

test("a bucket is idle from the millisecond on in which it is full", () => {
  const bucket = spentFrom(uneven, 2, 1_000);
  equal(bucket.idleAtMs(), 1_667);
  deepEqual([bucket.resetMs(1_666), bucket.resetMs(1_667)], [1, 0]);
  equal(spentFrom(even, 1, 1_000).idleAtMs(), 1_020);
  equal(new TokenBucket(even).idleAtMs(), 0);
});

test("nothing is lost however often a bucket is spent from", () => {
  const bucket = new TokenBucket(quotaOf(3, 1_000, 2));
  let spent = 0;
  for (let nowMs = 0; nowMs < 1_000_000; nowMs += 1) {
    if (bucket.waitMs(nowMs, 1) !== 0) continue;
    bucket.spend(nowMs, 1);
    spent += 1;
  }
  // Two at once, and three in each second but the last, whose third comes in its last millisecond plus one.
  equal(spent, 2 + 3 * 1_000 - 1);
});

test("giving back undoes spending, and never more than fills", () => {
  const bucket = spentFrom(even, 2);
  bucket.spend(0, 3);
  bucket.giveBack(0, 3);
  deepEqual([bucket.remaining(0), bucket.resetMs(0)], [3, 40]);
  bucket.giveBack(0, 1_000);
  deepEqual([bucket.remaining(0), bucket.resetMs(0)], [5, 0]);
});

test("a billion a minute, and a unit a year, are counted exactly", () => {
  const large = spentFrom(quotaOf(1_000_000_000, 60_000, 1_000_000_000), 1_000_000_000);
  deepEqual([large.waitMs(1, 16_666), large.waitMs(1, 16_667)], [0, 1]);
  const yearMs = 31_536_000_000;
  const rare = spentFrom(quotaOf(1, yearMs, 1), 1, 1_700_000_000_001);
  deepEqual(
    [rare.waitMs(1_700_000_000_001, 1), rare.waitMs(1_700_000_000_000 + yearMs, 1)],
    [yearMs, 1],
  );
});

function quotaOf(perWindow: number, windowMs: number, burst: number): TokenBucketQuota {
  return { algorithm: "token_bucket", perWindow, windowMs, burst };
}

function spentFrom(quota: TokenBucketQuota, units: number, nowMs = 0): TokenBucket {
  const bucket = new TokenBucket(quota);
  if (units > 0) bucket.spend(nowMs, units);
  return bucket;
}
