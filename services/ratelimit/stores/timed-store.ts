import type { Charge, Decision, Item, ItemState, Settlement } from "./charge.js";
import type { LimitStore } from "./store.js";

/** For tests: a store in Redis that tells a time for each decision, also of charges that Redis need not decide. */
export class TimedStore implements LimitStore {
  readonly #store: LimitStore;
  readonly #takeDecidedAtMs: () => readonly number[];
  /** Whether each call since the times were taken was for nothing. */
  #isEmpty: boolean[] = [];

  constructor(store: LimitStore, takeDecidedAtMs: () => readonly number[]) {
    this.#store = store;
    this.#takeDecidedAtMs = takeDecidedAtMs;
  }

  /** Where nothing was decided, the time of what was decided next, or before. */
  takeDecidedAtMs(): readonly number[] {
    const times = this.#takeDecidedAtMs();
    const calls = this.#isEmpty;
    this.#isEmpty = [];
    if (calls.length === 0) return times;
    let decided = 0;
    const all = calls.map((isEmpty) => {
      const atMs = times[Math.min(decided, times.length - 1)] ?? 0;
      if (!isEmpty) decided += 1;
      return atMs;
    });
    // Fewer or more than were asked for are for whoever counts them.
    return decided === times.length ? all : times;
  }

  async peek(charge: Charge): Promise<Decision> {
    this.#isEmpty.push(charge.items.length === 0);
    return await this.#store.peek(charge);
  }

  async spend(charge: Charge): Promise<Decision> {
    this.#isEmpty.push(charge.items.length === 0);
    return await this.#store.spend(charge);
  }

  async giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    this.#isEmpty.push(items.length === 0);
    return await this.#store.giveBack(items);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    await this.#store.settle(settlements);
  }

  isReady = () => this.#store.isReady();
  totals = () => this.#store.totals();
  openReservations = () => this.#store.openReservations();
}
