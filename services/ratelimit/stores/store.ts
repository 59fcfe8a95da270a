import type { Charge, Decision, Item, ItemState, Settlement } from "./charge.js";

/** Where the counters live. Each call is atomic: all items of a charge, or none. */
export interface LimitStore {
  /** Whether `spend` would be allowed, and every state as it stands now; spends nothing. */
  peek(charge: Charge): Promise<Decision>;
  /** Answers the states after it: with what was spent if it was allowed, else as they stand. */
  spend(charge: Charge): Promise<Decision>;
  /**
   * Takes back what was spent last of each item's rule, its amount at most and never more than was spent; answers the
   * states after it. Not for rules of which something is held.
   */
  giveBack(items: readonly Item[]): Promise<readonly ItemState[]>;
  /** Ends reservations; ids that are unknown or expired are ignored. */
  settle(settlements: readonly Settlement[]): Promise<void>;
  /** Whether decisions can be made now. */
  isReady(): boolean;
  /** What this process saw happen to reservations since it started. */
  totals(): Readonly<ReservationTotals>;
  /** Reservations that are open now; undefined where only all processes together know. */
  openReservations(): number | undefined;
}

export interface ReservationTotals {
  opened: number;
  committed: number;
  released: number;
  expired: number;
}

/** Counts what a settlement that kept `keptMax` ended. */
export function countSettled(totals: ReservationTotals, keptMax: number, count: number): void {
  if (keptMax === 0) totals.released += count;
  else totals.committed += count;
}

export function noReservations(): ReservationTotals {
  return { opened: 0, committed: 0, released: 0, expired: 0 };
}
