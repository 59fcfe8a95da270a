import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { Statistics } from "./statistics.js";

const none = { count: 0, ns: 0 };

test("nothing has run at first", () => {
  deepEqual(
    { ...new Statistics() },
    {
      inferenceCount: 0,
      executionCount: 0,
      lastInferenceAtMs: 0,
      success: none,
      failure: none,
      queue: none,
      compute: none,
    },
  );
});

test("sequences and batches are counted apart, times in nanoseconds", () => {
  const statistics = new Statistics();
  statistics.queued(1.5);
  statistics.queued(0.000_001);
  statistics.ran(2, 3.25, 77);
  statistics.ran(5, 0, 99);
  statistics.ended(true, 5);
  statistics.ended(false, 7);
  statistics.ended(true, 1);
  deepEqual(
    { ...statistics },
    {
      inferenceCount: 7,
      executionCount: 2,
      lastInferenceAtMs: 99,
      success: { count: 2, ns: 6_000_000 },
      failure: { count: 1, ns: 7_000_000 },
      queue: { count: 2, ns: 1_500_001 },
      compute: { count: 2, ns: 3_250_000 },
    },
  );
});

test("what was read stays as it was", () => {
  const statistics = new Statistics();
  const { success } = statistics;
  statistics.ended(true, 5);
  deepEqual(success, none);
});
