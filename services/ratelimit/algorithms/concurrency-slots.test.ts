import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { ConcurrencySlots } from "./concurrency-slots.js";

test("slots are held until they are given back, however long that takes", () => {
  const slots = new ConcurrencySlots({ algorithm: "concurrency", slots: 3 });
  slots.spend(0, 2);
  deepEqual([slots.remaining(), slots.waitMs(0, 1), slots.waitMs(0, 2)], [1, 0, 1_000]);
  deepEqual([slots.waitMs(0, 4), slots.resetMs()], [undefined, 0]);
  equal(slots.idleAtMs(), Number.POSITIVE_INFINITY);
  slots.giveBack(31_536_000_000, 1);
  deepEqual([slots.remaining(), slots.waitMs(0, 2)], [2, 0]);
  slots.giveBack(31_536_000_000, 1);
  equal(slots.idleAtMs(), 0);
});
