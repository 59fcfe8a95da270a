import type { Charge, Decision } from "./decision.js";

/** Where the counters live. Each call is atomic: all rules of a charge, or none. */
export interface LimitStore {
  /** What `take` would answer; spends nothing. */
  peek(charge: Charge): Promise<Decision>;
  take(charge: Charge): Promise<Decision>;
  /** Takes until it is committed, released, or `ttlMs` have passed. An id that is open answers as the first time. */
  reserve(id: string, ttlMs: number, charge: Charge): Promise<Decision>;
  /** Makes reservations final; ids that are unknown or expired are ignored. */
  commit(ids: readonly string[]): Promise<void>;
  /** Gives reservations back; ids that are unknown or expired are ignored. */
  release(ids: readonly string[]): Promise<void>;
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

export function noReservations(): ReservationTotals {
  return { opened: 0, committed: 0, released: 0, expired: 0 };
}
