import type { GuardStatus } from "./guarded-store.js";

/** Where the counters live and how that goes, for metrics and for people. */
export interface StoreStatus {
  readonly kind: "memory" | "redis";
  /** Counters that this process holds: all of them, or those of an outage. */
  readonly keysInMemory: number;
  /** Reservations that this process holds. */
  readonly reservationsInMemory: number;
  /** Absent where there is nothing to share. */
  readonly shared?: GuardStatus;
  readonly overLimit?: {
    /** Decisions that cost the store nothing. */
    readonly hits: number;
    readonly keys: number;
  };
  /** Units taken in advance, where rules have a `lease`. */
  readonly leases?: {
    /** Decisions that the store was not asked for. */
    readonly decisions: number;
    /** Held now. */
    readonly units: number;
    /** That could not be given back. */
    readonly unitsLost: number;
  };
}
