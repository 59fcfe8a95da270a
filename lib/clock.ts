/** The only way to learn or wait for time, so that tests can own it. */
export interface Clock {
  /** Monotonic milliseconds; only differences mean something. */
  nowMs(): number;
  /** Milliseconds since 1970, for what leaves the process. */
  dateMs(): number;
  /** Runs `then` at `atMs` of `nowMs`; the returned function cancels it. */
  at(atMs: number, then: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => performance.now(),
  dateMs: () => Date.now(),
  at(atMs, then) {
    const timer = setTimeout(then, Math.max(0, atMs - performance.now()));
    return () => clearTimeout(timer);
  },
};

/** Resolves after `waitMs`. */
export function sleep(clock: Clock, waitMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.at(clock.nowMs() + waitMs, resolve);
  });
}
