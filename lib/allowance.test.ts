import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { Allowance } from "./allowance.js";
import { FakeClock } from "./fake-clock.js";

test("as many as are allowed pass at once, then no more than come back with time", async () => {
  const clock = new FakeClock();
  const allowance = new Allowance(clock, { count: 2, everyMs: 1_000 });
  const take = (times: number) => Array.from({ length: times }, () => allowance.take());
  deepEqual(take(3), [true, true, false]);
  await clock.moveTo(499);
  equal(allowance.take(), false);
  await clock.moveTo(500);
  deepEqual(take(2), [true, false]);
  await clock.moveTo(1e9);
  deepEqual(take(3), [true, true, false]);
});

test("an allowance of nothing lets nothing pass", async () => {
  const clock = new FakeClock();
  const allowance = new Allowance(clock, { count: 0, everyMs: 1_000 });
  await clock.moveTo(1e9);
  equal(allowance.take(), false);
});
