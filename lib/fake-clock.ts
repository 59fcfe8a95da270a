import type { Clock } from "./clock.js";

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #nowMs = 0;
  #timers: { readonly atMs: number; readonly then: () => void }[] = [];

  nowMs(): number {
    return this.#nowMs;
  }

  dateMs(): number {
    return this.#nowMs;
  }

  at(atMs: number, then: () => void): () => void {
    const timer = { atMs, then };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  }

  /** Moves to `nowMs` and fires what became due, earliest first. */
  async moveTo(nowMs: number): Promise<void> {
    this.#nowMs = nowMs;
    const due = this.#timers.filter((timer) => timer.atMs <= nowMs);
    this.#timers = this.#timers.filter((timer) => timer.atMs > nowMs);
    for (const { then } of due.sort((a, b) => a.atMs - b.atMs)) then();
    // Lets the promises those timers settled run their continuations.
    await new Promise(setImmediate);
  }
}
