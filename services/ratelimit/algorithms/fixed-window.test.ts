import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { FixedWindow } from "./fixed-window.js";
import type { WindowQuota } from "./quota.js";

const quota: WindowQuota = { algorithm: "fixed_window", units: 10, windowMs: 1_000 };

test("windows begin at multiples of their length since 1970", () => {
  const window = new FixedWindow(quota);
  window.spend(1_999, 10);
  deepEqual([window.remaining(1_999), window.waitMs(1_999, 1), window.resetMs(1_999)], [0, 1, 1]);
  deepEqual([window.remaining(2_000), window.waitMs(2_000, 10), window.resetMs(2_000)], [10, 0, 0]);
  window.spend(2_000, 4);
  deepEqual([window.remaining(2_000), window.waitMs(2_000, 7)], [6, 1_000]);
  equal(window.waitMs(2_000, 11), undefined);
});

test("what is given back counts in the window in which it was spent", () => {
  const window = new FixedWindow(quota);
  window.spend(1_500, 6);
  window.giveBack(1_600, 2, 1_500);
  equal(window.remaining(1_600), 6);
  window.spend(2_100, 5);
  window.giveBack(2_100, 4, 1_500);
  equal(window.remaining(2_100), 5);
});

test("a window is idle when it is over, or when everything was given back", () => {
  const window = new FixedWindow(quota);
  window.spend(1_500, 6);
  equal(window.idleAtMs(), 2_000);
  window.giveBack(1_600, 6, 1_500);
  equal(window.idleAtMs(), 0);
});
