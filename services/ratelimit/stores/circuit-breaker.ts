import type { Clock } from "../../../lib/clock.js";

/** Failures in a row after which nobody waits for the store any more. */
export const failuresMax = 5;
/** From one probe to the next while the store is away. */
export const probeWaitMs = 250;

/** Closed asks the store, open does not, and half open is open while a probe is under way. */
export type BreakerState = "closed" | "open" | "half_open";

/**
 * Stops asking a store that fails time after time, and finds out in the background when it answers again: no caller's
 * decision is the probe.
 */
export class CircuitBreaker {
  readonly #clock: Clock;
  readonly #probe: () => Promise<boolean>;
  readonly #onChange: (isClosed: boolean) => void;
  #state: BreakerState = "closed";
  #failures = 0;
  #failuresInRow = 0;
  #failedAtMs = Number.NEGATIVE_INFINITY;
  #cancelProbe: (() => void) | undefined;
  #isStopped = false;

  constructor(deps: {
    readonly clock: Clock;
    /** Whether the store answers again; never throws and never hangs. */
    readonly probe: () => Promise<boolean>;
    readonly onChange: (isClosed: boolean) => void;
  }) {
    this.#clock = deps.clock;
    this.#probe = deps.probe;
    this.#onChange = deps.onChange;
  }

  get state(): BreakerState {
    return this.#state;
  }

  /** Since the process began, probes that failed among them. */
  get failures(): number {
    return this.#failures;
  }

  get isClosed(): boolean {
    return this.#state === "closed";
  }

  succeeded(): void {
    this.#failuresInRow = 0;
  }

  /** What was asked before the last failure was seen fails with it, and is not another one. */
  failed(askedAtMs: number): void {
    if (askedAtMs < this.#failedAtMs) return;
    this.#failedAtMs = this.#clock.nowMs();
    this.#failures += 1;
    this.#failuresInRow += 1;
    if (this.#failuresInRow >= failuresMax) this.open();
  }

  open(): void {
    if (!this.isClosed) return;
    this.#state = "open";
    this.#probeLater();
    this.#onChange(false);
  }

  /** Ends probing, and with it the way back. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelProbe?.();
  }

  #probeLater(): void {
    if (this.#isStopped) return;
    this.#cancelProbe = this.#clock.at(this.#clock.nowMs() + probeWaitMs, () => {
      void this.#probeNow();
    });
  }

  async #probeNow(): Promise<void> {
    this.#state = "half_open";
    const isBack = await this.#probe();
    if (!isBack) {
      this.#failures += 1;
      this.#state = "open";
      this.#probeLater();
      return;
    }
    this.#state = "closed";
    this.#failuresInRow = 0;
    this.#onChange(true);
  }
}
