import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { type Charge, decide } from "./decision.js";
import {
  arrivalOf,
  type Bucket,
  capacityOf,
  debtOf,
  giveBack,
  remainingOf,
  resetMs,
  spend,
  waitMs,
} from "./gcra.js";

/** One unit every 20 ms, 5 at once. */
const bucket: Bucket = { perWindow: 50, windowMs: 1_000, burst: 5 };
/** Three units take a second: no whole number of milliseconds each. */
const uneven: Bucket = { perWindow: 3, windowMs: 1_000, burst: 2 };

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
    equal(waitMs(bucket, debtAfter(bucket, 5 - left), amount), wait, `${amount} of ${left}`);
  }
});

test("waits and resets round up, what is left rounds down", () => {
  const debt = debtAfter(uneven, 2);
  deepEqual(
    [remainingOf(uneven, debt), resetMs(uneven, debt), waitMs(uneven, debt, 1)],
    [0, 667, 334],
  );
  const later = debtAt(uneven, debt, 333);
  deepEqual([remainingOf(uneven, later), waitMs(uneven, later, 1)], [0, 1]);
  const enough = debtAt(uneven, debt, 334);
  deepEqual([remainingOf(uneven, enough), waitMs(uneven, enough, 1)], [1, 0]);
});

test("waiting as long as told is enough, and a millisecond less is not", () => {
  for (const tried of [bucket, uneven, { perWindow: 7, windowMs: 60_000, burst: 11 }]) {
    for (let amount = 1; amount <= tried.burst; amount += 1) {
      const debt = debtAfter(tried, tried.burst);
      const wait = waitMs(tried, debt, amount) ?? 0;
      equal(waitMs(tried, debtAt(tried, debt, wait), amount), 0);
      equal(waitMs(tried, debtAt(tried, debt, wait - 1), amount), 1);
    }
  }
});

test("a bucket is full at its arrival time and needs no state from then on", () => {
  const debt = debtAfter(uneven, 2);
  const time = arrivalOf(uneven, debt, 1_000);
  deepEqual(time, { ms: 1_666, parts: 2 });
  equal(debtOf(uneven, time, 1_666), 2);
  equal(debtOf(uneven, time, 1_667), 0);
  equal(arrivalOf(uneven, 0, 1_667), undefined);
});

test("state carries a debt over time without loss", () => {
  let debt = capacityOf(uneven);
  for (let nowMs = 0; nowMs < 600; nowMs += 1) {
    equal(debt, capacityOf(uneven) - 3 * nowMs);
    debt = debtOf(uneven, arrivalOf(uneven, debt, nowMs), nowMs + 1);
  }
});

test("giving back undoes spending, and never more than fills", () => {
  const debt = debtAfter(bucket, 2);
  equal(giveBack(bucket, spend(bucket, debt, 3), 3), debt);
  equal(giveBack(bucket, debt, 2), 0);
  equal(giveBack(bucket, debt, 1_000), 0);
});

test("a changed rule or a clock that was set back costs at most a full bucket", () => {
  equal(debtOf(bucket, { ms: 1e12, parts: 0 }, 0), capacityOf(bucket));
  equal(debtOf(bucket, { ms: 10, parts: 999_999_999 }, 10), bucket.perWindow - 1);
});

test("the largest bucket of the configuration is counted exactly", () => {
  const large: Bucket = { perWindow: 1_000_000_000, windowMs: 60_000, burst: 1_000_000_000 };
  const debt = debtAfter(large, large.burst);
  equal(waitMs(large, debtAt(large, debt, 1), 16_666), 0);
  equal(waitMs(large, debtAt(large, debt, 1), 16_667), 1);
  equal(waitMs(large, spend(large, debtAfter(large, large.burst - 1), 1), 1), 1);
});

test("a decision over several rules spends from all or from none", () => {
  const rules = [bucket, uneven].map((each, index) => ({
    name: "",
    key: `${index}`,
    bucket: each,
  }));
  const charge: Charge = { rules, amount: 2 };
  const remaining = (debts: readonly number[]) => {
    const { allowed, states } = decide(charge, debts);
    return [allowed, ...states.map((state) => [state.remaining, state.retryAfterMs])];
  };
  deepEqual(remaining([0, 0]), [true, [3, 0], [0, 0]]);
  deepEqual(remaining([0, debtAfter(uneven, 1)]), [false, [5, 0], [1, 334]]);
  deepEqual(decide({ rules: [], amount: 1 }, []), { allowed: true, states: [] });
});

function debtAfter(of: Bucket, spent: number): number {
  return spend(of, 0, spent);
}

/** The debt `waitedMs` later. */
function debtAt(of: Bucket, debt: number, waitedMs: number): number {
  return debtOf(of, arrivalOf(of, debt, 0), waitedMs);
}
