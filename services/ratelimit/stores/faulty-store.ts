import { MeshError } from "../../../lib/errors.js";
import type { Charge, Decision, Item, ItemState, Settlement } from "./charge.js";
import type { LimitStore, ReservationTotals } from "./store.js";

/** What calls of it come to. `paused` takes them and answers when it goes on, as a stopped process would. */
export type Fault = "none" | "away" | "paused" | "overloaded" | "broken";

/** For tests: a store that can be made to fail, and counts who asks. */
export class FaultyStore implements LimitStore {
  fault: Fault = "none";
  /** Calls by what they asked. */
  readonly asked = { peek: 0, spend: 0, giveBack: 0, settle: 0 };
  readonly #store: LimitStore;
  #waiting: (() => void)[] = [];

  constructor(store: LimitStore) {
    this.#store = store;
  }

  /** Calls that are not answered. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Does and answers what waits, in order. */
  goOn(): void {
    this.fault = "none";
    for (const go of this.#waiting.splice(0)) go();
  }

  peek(charge: Charge): Promise<Decision> {
    this.asked.peek += 1;
    return this.#faultily(() => this.#store.peek(charge));
  }

  spend(charge: Charge): Promise<Decision> {
    this.asked.spend += 1;
    return this.#faultily(() => this.#store.spend(charge));
  }

  giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    this.asked.giveBack += 1;
    return this.#faultily(() => this.#store.giveBack(items));
  }

  settle(settlements: readonly Settlement[]): Promise<void> {
    this.asked.settle += 1;
    return this.#faultily(() => this.#store.settle(settlements));
  }

  isReady(): boolean {
    return this.fault !== "away";
  }

  totals(): Readonly<ReservationTotals> {
    return this.#store.totals();
  }

  openReservations(): undefined {
    return undefined;
  }

  async #faultily<T>(call: () => Promise<T>): Promise<T> {
    switch (this.fault) {
      case "none":
        return await call();
      case "paused":
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
        return await call();
      case "away":
        throw new MeshError("unavailable", "away");
      case "overloaded":
        throw new MeshError("overloaded", "too much");
      case "broken":
        throw new TypeError("a bug");
    }
  }
}
