import type { Registry } from "prom-client";
import type { Breakers } from "../../lib/metrics/breakers.js";
import { registerNumber, registerNumbers } from "../../lib/metrics/register.js";
import type { GuardStatus } from "./stores/guarded-store.js";
import type { LimitStore } from "./stores/store.js";
import type { StoreStatus } from "./stores/store-status.js";

/** Reservations, read from the store when metrics are scraped. */
export function observeReservations(registry: Registry, store: LimitStore): void {
  registerNumbers(registry, {
    name: `${prefix}_reservations_total`,
    help: "Reservations by what this process saw happen to them.",
    type: "counter",
    label: "event",
    read: () => ({ ...store.totals() }),
  });
  if (store.openReservations() === undefined) return;
  const help = "Reservations neither committed, released nor expired; counters in memory only.";
  gauge(registry, "reservations_open", help, () => store.openReservations() ?? 0);
}

/** What this process holds; and of a store that is elsewhere, how it was reached. */
export function observeStatus(
  { registry, breakers }: { readonly registry: Registry; readonly breakers: Breakers },
  status: () => StoreStatus,
): void {
  const keysHelp = "Counters that this process holds: all of them, or those of an outage.";
  gauge(registry, "keys_in_memory", keysHelp, () => status().keysInMemory);
  const reservationsHelp = "Open reservations that this process holds: all, or those of an outage.";
  gauge(registry, "reservations_in_memory", reservationsHelp, () => status().reservationsInMemory);
  const { shared: first, overLimit, leases } = status();
  if (first !== undefined) {
    // A store that is shared once is always.
    const shared = (): GuardStatus => status().shared ?? first;
    observeRedis(registry, shared);
    observeSettlements(registry, shared);
    breakers.observe("redis", () => {
      const { breaker: state, breakerFailures: failures } = shared();
      return { state, failures, halfOpenSlots: state === "half_open" ? 1 : 0 };
    });
  }
  if (overLimit !== undefined) observeOverLimit(registry, () => status().overLimit ?? overLimit);
  if (leases !== undefined) observeLeases(registry, () => status().leases ?? leases);
}

function observeRedis(registry: Registry, shared: () => GuardStatus): void {
  registerNumber(registry, {
    name: "arrowmesh_redis_connected",
    help: "Whether there is a connection to Redis.",
    type: "gauge",
    read: () => (shared().isConnected ? 1 : 0),
  });
  registerNumbers(registry, {
    name: "arrowmesh_redis_errors_total",
    help: "Calls of Redis that came to nothing: over their budget, or failed.",
    type: "counter",
    label: "kind",
    read: () => ({ timeout: shared().timeouts, error: shared().errors }),
  });
  const unknownHelp = "Decisions made without Redis after asking it, which may be spent there too.";
  total(registry, "redis_unknown_outcomes_total", unknownHelp, () => shared().unknownOutcomes);
}

function observeSettlements(registry: Registry, shared: () => GuardStatus): void {
  const keptHelp = "Settlements that wait until Redis is back.";
  gauge(registry, "settlements_kept", keptHelp, () => shared().settlementsKept);
  const droppedHelp = "Settlements that were given up; their reservations end by themselves.";
  total(registry, "settlements_dropped_total", droppedHelp, () => shared().settlementsDropped);
}

function observeOverLimit(
  registry: Registry,
  overLimit: () => NonNullable<StoreStatus["overLimit"]>,
): void {
  const hitsHelp = "Decisions refused without asking Redis, because the key has no room yet.";
  total(registry, "over_limit_hits_total", hitsHelp, () => overLimit().hits);
  const keysHelp = "Keys that are known to have no room.";
  gauge(registry, "over_limit_keys", keysHelp, () => overLimit().keys);
}

function observeLeases(registry: Registry, leases: () => NonNullable<StoreStatus["leases"]>): void {
  const decisionsHelp = "Decisions made without asking Redis, of units that were taken in advance.";
  total(registry, "lease_decisions_total", decisionsHelp, () => leases().decisions);
  gauge(registry, "leased_units", "Units taken in advance and not used.", () => leases().units);
  const lostHelp = "Units taken in advance, not used, and not given back either.";
  total(registry, "leased_units_lost_total", lostHelp, () => leases().unitsLost);
}

const prefix = "arrowmesh_ratelimit";

function gauge(registry: Registry, name: string, help: string, read: () => number): void {
  registerNumber(registry, { name: `${prefix}_${name}`, help, type: "gauge", read });
}

function total(registry: Registry, name: string, help: string, read: () => number): void {
  registerNumber(registry, { name: `${prefix}_${name}`, help, type: "counter", read });
}
