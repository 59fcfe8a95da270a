import type { Clock } from "../../../lib/clock.js";
import type { Charge, Decision } from "./charge.js";
import type { LimitStore } from "./store.js";
import { StoreAround } from "./store-around.js";

/** Hears of every decision that spends. */
export interface DecisionCounts {
  decided(decision: Decision, tookMs: number): void;
  /** It ended in an error. */
  failed(charge: Charge, thrown: unknown): void;
}

/** Any store, with each decision that spends counted and timed. */
export class MeteredStore extends StoreAround {
  readonly #count: DecisionCounts;
  readonly #clock: Clock;

  constructor(store: LimitStore, count: DecisionCounts, clock: Clock) {
    super(store);
    this.#count = count;
    this.#clock = clock;
  }

  override async spend(charge: Charge): Promise<Decision> {
    const startMs = this.#clock.nowMs();
    try {
      const decision = await this.inner.spend(charge);
      this.#count.decided(decision, this.#clock.nowMs() - startMs);
      return decision;
    } catch (thrown) {
      this.#count.failed(charge, thrown);
      throw thrown;
    }
  }
}
