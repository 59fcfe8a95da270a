import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../lib/fake-clock.js";
import { CircuitBreaker, failuresMax, probeWaitMs } from "./circuit-breaker.js";

function open() {
  const clock = new FakeClock();
  const seen = { isBack: false, changes: [] as boolean[] };
  const breaker = new CircuitBreaker({
    clock,
    probe: async () => seen.isBack,
    onChange: (isClosed) => void seen.changes.push(isClosed),
  });
  /** Asks now, and sees it fail after `waitMs`. */
  const fail = async (waitMs = 20): Promise<void> => {
    const askedAtMs = clock.nowMs();
    await clock.moveTo(askedAtMs + waitMs);
    breaker.failed(askedAtMs);
  };
  return { clock, breaker, seen, fail };
}

test("failures one after another open it, and a success between them starts the count again", async () => {
  const { breaker, fail } = open();
  for (let i = 0; i < failuresMax - 1; i += 1) await fail();
  breaker.succeeded();
  for (let i = 0; i < failuresMax - 1; i += 1) await fail();
  equal(breaker.isClosed, true);
  await fail();
  equal(breaker.state, "open");
});

test("calls that fail together are one failure", async () => {
  const { clock, breaker } = open();
  const askedAtMs = clock.nowMs();
  await clock.moveTo(askedAtMs + 20);
  for (let i = 0; i < 10 * failuresMax; i += 1) breaker.failed(askedAtMs);
  equal(breaker.isClosed, true);
});

test("a probe that is answered closes it, however often others were not", async () => {
  const { clock, breaker, seen } = open();
  breaker.open();
  await clock.moveTo(clock.nowMs() + 3 * probeWaitMs);
  equal(breaker.state, "open");
  seen.isBack = true;
  await clock.moveTo(clock.nowMs() + probeWaitMs);
  equal(breaker.isClosed, true);
  deepEqual(seen.changes, [false, true]);
});
