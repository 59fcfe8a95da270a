import type { HrTime } from "@opentelemetry/api";
import type { Clock } from "../clock.js";

/** How far the two clocks may drift apart before the monotonic one is set anew; dates are whole milliseconds. */
const driftMsMax = 2;
const lookMs = 100;

/**
 * Turns the clock's monotonic milliseconds into time since 1970. Processes of one machine agree to some microseconds,
 * which dates, cut to milliseconds, do not: a child would seem to begin before its parent.
 */
export class WallTime {
  readonly #clock: Clock;
  #originMs: number;
  #nextLookMs = Number.NEGATIVE_INFINITY;

  /** `originMs` is when `nowMs` was 0, in milliseconds since 1970. */
  constructor(clock: Clock, originMs: number = performance.timeOrigin) {
    this.#clock = clock;
    this.#originMs = originMs;
  }

  /** Follows the date when somebody has set it; looks at most once in `lookMs`. */
  adjust(nowMs: number): void {
    if (nowMs < this.#nextLookMs) return;
    this.#nextLookMs = nowMs + lookMs;
    const originMs = this.#clock.dateMs() - this.#clock.nowMs();
    if (Math.abs(originMs - this.#originMs) > driftMsMax) this.#originMs = originMs;
  }

  /** Seconds and nanoseconds since 1970. */
  toHrTime(nowMs: number): HrTime {
    const dateMs = this.#originMs + nowMs;
    const seconds = Math.floor(dateMs / 1_000);
    return [seconds, Math.round((dateMs - seconds * 1_000) * 1e6)];
  }
}
