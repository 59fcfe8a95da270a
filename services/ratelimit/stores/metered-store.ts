import type { Clock } from "../../../lib/clock.js";
import type { Charge, Decision, Item, ItemState, Settlement } from "./charge.js";
import type { LimitStore, ReservationTotals } from "./store.js";

/** Hears of every decision that spends. */
export interface DecisionCounts {
  decided(decision: Decision, tookMs: number): void;
  /** It ended in an error. */
  failed(charge: Charge, thrown: unknown): void;
}

/** Any store, with each decision that spends counted and timed. */
export class MeteredStore implements LimitStore {
  readonly #store: LimitStore;
  readonly #count: DecisionCounts;
  readonly #clock: Clock;

  constructor(store: LimitStore, count: DecisionCounts, clock: Clock) {
    this.#store = store;
    this.#count = count;
    this.#clock = clock;
  }

  peek(charge: Charge): Promise<Decision> {
    return this.#store.peek(charge);
  }

  async spend(charge: Charge): Promise<Decision> {
    const startMs = this.#clock.nowMs();
    try {
      const decision = await this.#store.spend(charge);
      this.#count.decided(decision, this.#clock.nowMs() - startMs);
      return decision;
    } catch (thrown) {
      this.#count.failed(charge, thrown);
      throw thrown;
    }
  }

  giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    return this.#store.giveBack(items);
  }

  settle(settlements: readonly Settlement[]): Promise<void> {
    return this.#store.settle(settlements);
  }

  isReady(): boolean {
    return this.#store.isReady();
  }

  totals(): Readonly<ReservationTotals> {
    return this.#store.totals();
  }

  openReservations(): number | undefined {
    return this.#store.openReservations();
  }
}
