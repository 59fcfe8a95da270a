import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { ExpiringIds, idsRememberedMax } from "./expiring-ids.js";

test("an id is forgotten when it is deleted, or its time is over", () => {
  const ids = new ExpiringIds();
  ids.add("a", { nowMs: 0, dueAtMs: 100 });
  ids.add("b", { nowMs: 0, dueAtMs: 50 });
  deepEqual([ids.delete("a"), ids.delete("a")], [true, false]);
  ids.add("c", { nowMs: 50, dueAtMs: 150 });
  deepEqual([ids.delete("b"), ids.delete("c"), ids.size], [false, true, 0]);
});

test("an id that comes again stays for its new time", () => {
  const ids = new ExpiringIds();
  ids.add("a", { nowMs: 0, dueAtMs: 10 });
  ids.add("a", { nowMs: 5, dueAtMs: 20 });
  ids.add("b", { nowMs: 10, dueAtMs: 20 });
  equal(ids.delete("a"), true);
});

test("ids are bounded: the oldest go first", () => {
  const ids = new ExpiringIds();
  for (let id = 0; id <= idsRememberedMax; id += 1) ids.add(`${id}`, { nowMs: 0, dueAtMs: 1 });
  deepEqual([ids.size, ids.delete("0"), ids.delete("1")], [idsRememberedMax, false, true]);
});
