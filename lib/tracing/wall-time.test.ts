import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../fake-clock.js";
import { WallTime } from "./wall-time.js";

test("time since 1970 follows the date when somebody has set it, and not when the clocks drift a little", () => {
  let dateMs = 1_795_000_000_000;
  const clock = Object.assign(new FakeClock(), { dateMs: () => dateMs });
  const wallTime = new WallTime(clock, dateMs);
  deepEqual(wallTime.toHrTime(1_500.25), [1_795_000_001, 500_250_000]);
  dateMs += 1;
  wallTime.adjust(0);
  deepEqual(wallTime.toHrTime(0), [1_795_000_000, 0]);
  dateMs -= 3_600_000;
  // It has just looked.
  wallTime.adjust(50);
  deepEqual(wallTime.toHrTime(0), [1_795_000_000, 0]);
  wallTime.adjust(100);
  deepEqual(wallTime.toHrTime(0), [1_794_996_400, 1_000_000]);
});
