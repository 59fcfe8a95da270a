import type { WatchedFiles } from "./files/watched-files.js";
import type { Policy } from "./policy/policy.js";
import type { GuardStatus } from "./stores/guarded-store.js";
import type { LimitStore, ReservationTotals } from "./stores/store.js";
import type { StoreStatus } from "./stores/store-status.js";

/** What the role says of itself to people, as JSON; nothing in it is secret. */
export interface RatelimitStatus {
  readonly store: Omit<StoreStatus, "shared"> & {
    readonly shared?: Omit<GuardStatus, "degradedSinceMs"> & { readonly degradedSince?: string };
  };
  /** Processes that share the limits: each has this part of a quota while they cannot. */
  readonly replicas: number;
  readonly reservations: Readonly<ReservationTotals>;
  readonly rules: {
    readonly count: number;
    readonly loadedAt: string;
    /** New versions of the files since the start. */
    readonly reloads: WatchedFiles<Policy>["reloads"];
  };
}

/** Reads the status of a store and of the rules whenever it is asked. */
export function createStatus(read: {
  readonly store: LimitStore;
  readonly status: () => StoreStatus;
  readonly replicas: number;
  readonly policy: WatchedFiles<Policy>;
}): () => RatelimitStatus {
  const { store, status, replicas, policy } = read;
  return () => ({
    store: toPlain(status()),
    replicas,
    reservations: store.totals(),
    rules: {
      count: policy.current.ruleCount,
      loadedAt: toDate(policy.loadedAtMs),
      reloads: policy.reloads,
    },
  });
}

function toPlain({ shared, ...rest }: StoreStatus): RatelimitStatus["store"] {
  if (shared === undefined) return rest;
  const { degradedSinceMs, ...counts } = shared;
  return {
    ...rest,
    shared: {
      ...counts,
      ...(degradedSinceMs !== undefined && {
        degradedSince: toDate(degradedSinceMs),
      }),
    },
  };
}

function toDate(dateMs: number): string {
  return new Date(dateMs).toISOString();
}
