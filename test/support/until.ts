import { ok } from "node:assert/strict";
import { sleep, systemClock } from "../../lib/clock.js";

const lookMs = 50;

/** Waits until it is so, and fails when that takes longer than `waitMsMax`. */
export async function until(
  isSo: () => boolean | Promise<boolean>,
  waitMsMax = 20_000,
): Promise<void> {
  const giveUpAtMs = systemClock.nowMs() + waitMsMax;
  while (!(await isSo())) {
    ok(systemClock.nowMs() < giveUpAtMs, `not so within ${waitMsMax} ms: ${isSo}`);
    await sleep(systemClock, lookMs);
  }
}

/** The same for what throws until then; fails with its last error. */
export async function untilPasses(
  check: () => Promise<unknown>,
  waitMsMax = 10_000,
): Promise<void> {
  const giveUpAtMs = systemClock.nowMs() + waitMsMax;
  for (;;) {
    try {
      await check();
      return;
    } catch (error) {
      if (systemClock.nowMs() > giveUpAtMs) throw error;
      await sleep(systemClock, lookMs);
    }
  }
}
