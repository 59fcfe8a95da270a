import type { Clock } from "../../../lib/clock.js";
import type { Release } from "../../../lib/defer.js";
import type { Log } from "../../../lib/log.js";
import type { RatelimitConfig } from "../config.js";
import { GuardedStore } from "./guarded-store.js";
import { LeasingStore } from "./leasing-store.js";
import { MemoryStore } from "./memory-store.js";
import { openStore } from "./open-store.js";
import { OverLimitStore } from "./over-limit-store.js";
import type { LimitStore } from "./store.js";
import type { StoreStatus } from "./store-status.js";

/** A store that always answers soon, and what it says of itself. */
export interface OpenedStore {
  readonly store: LimitStore;
  readonly status: () => StoreStatus;
}

/** The configured store. One that is elsewhere is asked no more than needed, and may be slow or away. */
export async function openGuardedStore(
  config: RatelimitConfig,
  deps: {
    readonly clock: Clock;
    readonly defer: (release: Release) => void;
    readonly log: Pick<Log, "info" | "warn" | "error">;
  },
): Promise<OpenedStore> {
  const opened = openStore(config, deps);
  if (opened instanceof MemoryStore) {
    return { store: opened, status: () => ({ kind: "memory", ...inMemory(opened) }) };
  }
  const local = new MemoryStore(config, deps.clock);
  deps.defer(() => local.close());
  const guarded = new GuardedStore({ shared: opened, local }, config, deps);
  deps.defer(() => guarded.close());
  await guarded.start();
  const leasing = new LeasingStore(guarded, deps.clock);
  deps.defer(() => leasing.close());
  const store = new OverLimitStore(leasing, deps.clock);
  const status = (): StoreStatus => ({
    kind: "redis",
    ...inMemory(local),
    shared: guarded.status(),
    overLimit: { hits: store.hits, keys: store.keys },
    leases: { decisions: leasing.decisions, units: leasing.units, unitsLost: leasing.unitsLost },
  });
  return { store, status };
}

function inMemory(store: MemoryStore) {
  return { keysInMemory: store.keys, reservationsInMemory: store.openReservations() };
}
