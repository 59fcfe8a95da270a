import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { WindowQuota } from "./quota.js";
import { SlidingWindow } from "./sliding-window.js";

/** Parts of 10 ms. */
const quota: WindowQuota = { algorithm: "sliding_window", units: 10, windowMs: 640 };

test("a unit counts until its part of the window has left", () => {
  const window = spentAt([100, 4], [109, 2], [110, 1]);
  const remaining = (nowMs: number) => window.remaining(nowMs);
  deepEqual([740, 749, 750, 759, 760].map(remaining), [3, 3, 9, 9, 10]);
});

test("an amount waits until enough of the oldest has left", () => {
  const table: [amount: number, waitMs: number | undefined][] = [
    [1, 0],
    [2, 0],
    [3, 250],
    [5, 250],
    [6, 350],
    [10, 450],
    [11, undefined],
    [Number.MAX_SAFE_INTEGER, undefined],
  ];
  const window = spentAt([100, 3], [200, 3], [300, 2]);
  for (const [amount, waitMs] of table) equal(window.waitMs(500, amount), waitMs, `${amount}`);
  equal(window.resetMs(500), 450);
});

test("what is given back leaves the part it was spent in", () => {
  const window = spentAt([100, 3], [200, 3], [300, 2]);
  window.giveBack(500, 3, 200);
  window.giveBack(500, 1, 305);
  deepEqual([window.remaining(500), window.resetMs(500)], [6, 450]);
  window.giveBack(500, 1, 300);
  deepEqual([window.remaining(500), window.resetMs(500)], [7, 250]);
  window.giveBack(750, 3, 100);
  deepEqual([window.remaining(750), window.resetMs(750), window.idleAtMs()], [10, 0, 0]);
});

test("no more than 65 parts are remembered, however often it is asked", () => {
  const window = new SlidingWindow({ ...quota, units: 1_000_000 });
  for (let nowMs = 0; nowMs < 10_000; nowMs += 1) window.spend(nowMs, 1);
  // The part that began at 9,990, and the 64 before it.
  equal(window.remaining(9_999), 1_000_000 - 650);
});

test("a window shorter than its parts is counted to the millisecond", () => {
  const window = new SlidingWindow({ ...quota, windowMs: 16 });
  window.spend(1_000, 10);
  deepEqual([window.waitMs(1_000, 1), window.waitMs(1_015, 1)], [17, 2]);
  deepEqual([window.remaining(1_016), window.remaining(1_017)], [0, 10]);
});

function spentAt(...spent: readonly (readonly [atMs: number, units: number])[]): SlidingWindow {
  const window = new SlidingWindow(quota);
  for (const [atMs, units] of spent) window.spend(atMs, units);
  return window;
}
