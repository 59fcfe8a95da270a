import type { Clock } from "../../../../lib/clock.js";

/** From an answer to the next question. */
const pollMs = 1_000;
/** The longest wait while nobody answers; it doubles up to that. */
const retryMsMax = 10_000;

/** What becomes of the questions. */
export interface Listener<T> {
  answered(answer: T): void;
  failed(error: unknown, retryMs: number): void;
}

/** Asks again and again, one question at a time, more rarely while nobody answers, and not at all while stopped. */
export class Poller<T> {
  readonly #ask: () => Promise<T>;
  readonly #clock: Clock;
  readonly #listener: Listener<T>;
  #isRunning = false;
  #isAsking = false;
  #failures = 0;
  #cancel: (() => void) | undefined;

  constructor(ask: () => Promise<T>, clock: Clock, listener: Listener<T>) {
    this.#ask = ask;
    this.#clock = clock;
    this.#listener = listener;
  }

  /** Asks at once, unless a question is open already. */
  start(): void {
    this.#isRunning = true;
    this.#cancel?.();
    void this.#poll();
  }

  /** The answer to an open question is thrown away. */
  stop(): void {
    this.#isRunning = false;
    this.#cancel?.();
  }

  async #poll(): Promise<void> {
    if (this.#isAsking) return;
    this.#isAsking = true;
    const outcome = await this.#ask().then(
      (answer) => ({ answer }),
      (error: unknown) => ({ error }),
    );
    this.#isAsking = false;
    if (!this.#isRunning) return;
    const waitMs =
      "answer" in outcome ? pollMs : Math.min(pollMs * 2 ** this.#failures, retryMsMax);
    this.#failures = "answer" in outcome ? 0 : this.#failures + 1;
    this.#cancel = this.#clock.at(this.#clock.nowMs() + waitMs, () => void this.#poll());
    // Last, because a listener may stop or start this.
    if ("answer" in outcome) this.#listener.answered(outcome.answer);
    else this.#listener.failed(outcome.error, waitMs);
  }
}
