import type { Charge, Decision, Item, ItemState, Settlement } from "./charge.js";
import type { LimitStore, ReservationTotals } from "./store.js";

/** A store that passes everything on to another; what stands around one changes only what it is about. */
export class StoreAround implements LimitStore {
  protected readonly inner: LimitStore;

  constructor(inner: LimitStore) {
    this.inner = inner;
  }

  peek(charge: Charge): Promise<Decision> {
    return this.inner.peek(charge);
  }

  spend(charge: Charge): Promise<Decision> {
    return this.inner.spend(charge);
  }

  giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    return this.inner.giveBack(items);
  }

  settle(settlements: readonly Settlement[]): Promise<void> {
    return this.inner.settle(settlements);
  }

  isReady(): boolean {
    return this.inner.isReady();
  }

  totals(): Readonly<ReservationTotals> {
    return this.inner.totals();
  }

  openReservations(): number | undefined {
    return this.inner.openReservations();
  }
}
