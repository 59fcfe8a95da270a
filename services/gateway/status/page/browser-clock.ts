import type { Clock } from "../../../../lib/clock.js";

/** The clock of this page; the tests of what takes it have one of their own. */
export const browserClock: Clock = {
  nowMs: () => performance.now(),
  dateMs: () => Date.now(),
  at(atMs, then) {
    const timer = setTimeout(then, Math.max(0, atMs - performance.now()));
    return () => clearTimeout(timer);
  },
};
