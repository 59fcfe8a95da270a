import { equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../../lib/clock.js";
import { FakeClock } from "../../../lib/fake-clock.js";
import { late, withinBudget } from "./within-budget.js";

const never = new Promise<string>(() => {});

test("an answer or a failure within the budget is passed on", async () => {
  const clock = new FakeClock();
  equal(await withinBudget(Promise.resolve("answer"), 20, clock), "answer");
  await rejects(withinBudget(Promise.reject(new Error("away")), 20, clock), /away/);
});

test("without an answer it is late after the budget and a turn", async () => {
  const clock = new FakeClock();
  let outcome: unknown = "waiting";
  void withinBudget(never, 20, clock).then((value) => {
    outcome = value;
  });
  await clock.moveTo(20);
  equal(outcome, "waiting");
  await clock.moveTo(21);
  equal(outcome, late);
});

test("a process whose timers are late waits again, five times in all", async () => {
  let nowMs = 0;
  let fired = 0;
  const busy: Clock = {
    nowMs: () => nowMs,
    dateMs: () => nowMs,
    at(atMs, then) {
      const timer = setImmediate(() => {
        nowMs = Math.max(nowMs, atMs) + 30;
        fired += 1;
        then();
      });
      return () => clearImmediate(timer);
    },
  };
  equal(await withinBudget(never, 20, busy), late);
  // Five budgets, and the turn after the last.
  equal(fired, 6);
});
