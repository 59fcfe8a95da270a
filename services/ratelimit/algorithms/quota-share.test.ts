import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import { createCounter } from "./counter.js";
import type { Quota } from "./quota.js";
import { quotaShare } from "./quota-share.js";
import { capacityOf, capacityPartsMax } from "./token-bucket.js";

test("each share is a part of the units, and at least one", () => {
  const window = { algorithm: "sliding_window", units: 10, windowMs: 1_000 } as const;
  deepEqual(quotaShare(window, 4), { ...window, units: 2 });
  deepEqual(quotaShare(window, 11), { ...window, units: 1 });
  const slots = { algorithm: "concurrency", slots: 9 } as const;
  deepEqual(quotaShare(slots, 2), { ...slots, slots: 4 });
});

test("the only process there is has the whole quota", () => {
  for (const quota of [
    { algorithm: "token_bucket", perWindow: 7, windowMs: 60_000, burst: 3 },
    { algorithm: "fixed_window", units: 3, windowMs: 1_000 },
    { algorithm: "concurrency", slots: 2 },
  ] as const satisfies readonly Quota[]) {
    deepEqual(quotaShare(quota, 1), quota);
  }
});

test("a share of a rate is exact although its numbers cannot be divided", () => {
  const bucket = { algorithm: "token_bucket", perWindow: 1, windowMs: 1_000, burst: 3 } as const;
  const share = createCounter(quotaShare(bucket, 3));
  share.spend(0, 1);
  deepEqual([share.waitMs(2_999, 1), share.waitMs(3_000, 1)], [1, 0]);
});

test("all shares of a bucket together never let through more than the bucket", (t) => {
  const random = seeded(t);
  for (let round = 0; round < 200; round += 1) {
    const shares = 1 + random.int(8);
    const bucket = {
      algorithm: "token_bucket",
      perWindow: 1 + random.int(20),
      windowMs: 1 + random.int(2_000),
      burst: shares + random.int(50),
    } as const;
    const durationMs = 10_000;
    const spent = shares * spentBy(quotaShare(bucket, shares), durationMs);
    const allowed = bucket.burst + (durationMs * bucket.perWindow) / bucket.windowMs;
    ok(spent <= allowed, `${spent} of ${allowed} with ${JSON.stringify({ bucket, shares })}`);
  }
});

test("a share of an exact bucket is exact", () => {
  const largest = { perWindow: 1, windowMs: 31_536_000_000, burst: 142_808 } as const;
  for (const shares of [2, 1_000]) {
    const share = quotaShare({ algorithm: "token_bucket", ...largest }, shares);
    ok(share.algorithm === "token_bucket" && capacityOf(share) <= capacityPartsMax);
  }
});

/** Whatever fits, as soon as it fits. */
function spentBy(quota: Quota, durationMs: number): number {
  const counter = createCounter(quota);
  let spent = 0;
  for (let nowMs = 0; nowMs <= durationMs; ) {
    const amount = counter.remaining(nowMs);
    if (amount > 0) counter.spend(nowMs, amount);
    spent += amount;
    nowMs += Math.max(1, counter.waitMs(nowMs, 1) ?? 1);
  }
  return spent;
}
