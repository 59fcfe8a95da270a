import { Counter, Gauge, type Registry } from "prom-client";
import type { GuardStatus } from "./stores/guarded-store.js";
import type { LimitStore } from "./stores/store.js";
import type { StoreStatus } from "./stores/store-status.js";

/** Reservations, read from the store when metrics are scraped. */
export function observeReservations(registry: Registry, store: LimitStore): void {
  const metrics = new StoreMetrics(registry);
  metrics.totals({
    name: "reservations_total",
    help: "Reservations by what this process saw happen to them.",
    label: "event",
    read: () => ({ ...store.totals() }),
  });
  if (store.openReservations() === undefined) return;
  const help = "Reservations neither committed, released nor expired; counters in memory only.";
  metrics.gauge("reservations_open", help, () => store.openReservations() ?? 0);
}

/** What this process holds; and of a store that is elsewhere, how it was reached. */
export function observeStatus(registry: Registry, status: () => StoreStatus): void {
  const metrics = new StoreMetrics(registry);
  const keysHelp = "Counters that this process holds: all of them, or those of an outage.";
  metrics.gauge("keys_in_memory", keysHelp, () => status().keysInMemory);
  const reservationsHelp = "Open reservations that this process holds: all, or those of an outage.";
  metrics.gauge("reservations_in_memory", reservationsHelp, () => status().reservationsInMemory);
  const { shared, overLimit } = status();
  // A store that is shared once is always.
  if (shared !== undefined) observeShared(metrics, () => status().shared ?? shared);
  if (overLimit !== undefined) observeOverLimit(metrics, () => status().overLimit ?? overLimit);
}

function observeShared(metrics: StoreMetrics, shared: () => GuardStatus): void {
  const connectedHelp = "Whether there is a connection to Redis.";
  metrics.gauge("redis_connected", connectedHelp, () => (shared().isConnected ? 1 : 0));
  const openHelp = "Whether decisions are made without the shared counters.";
  metrics.gauge("breaker_open", openHelp, () => (shared().breaker === "closed" ? 0 : 1));
  metrics.totals({
    name: "redis_failures_total",
    help: "Calls of Redis that came to nothing: over their budget, or failed.",
    label: "kind",
    read: () => ({ timeout: shared().timeouts, error: shared().errors }),
  });
  const unknownHelp = "Decisions made without Redis after asking it, which may be spent there too.";
  metrics.total("redis_unknown_outcomes_total", unknownHelp, () => shared().unknownOutcomes);
  const keptHelp = "Settlements that wait until Redis is back.";
  metrics.gauge("settlements_kept", keptHelp, () => shared().settlementsKept);
  const droppedHelp = "Settlements that were given up; their reservations end by themselves.";
  metrics.total("settlements_dropped_total", droppedHelp, () => shared().settlementsDropped);
}

function observeOverLimit(
  metrics: StoreMetrics,
  overLimit: () => NonNullable<StoreStatus["overLimit"]>,
): void {
  const hitsHelp = "Decisions refused without asking Redis, because the key has no room yet.";
  metrics.total("over_limit_hits_total", hitsHelp, () => overLimit().hits);
  const keysHelp = "Keys that are known to have no room.";
  metrics.gauge("over_limit_keys", keysHelp, () => overLimit().keys);
}

/** Defines metrics that are read when they are scraped. */
class StoreMetrics {
  readonly #registers: Registry[];

  constructor(registry: Registry) {
    this.#registers = [registry];
  }

  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `arrowmesh_ratelimit_${name}`,
      help,
      registers: this.#registers,
      collect() {
        this.set(read());
      },
    });
  }

  total(name: string, help: string, read: () => number): void {
    new Counter({
      name: `arrowmesh_ratelimit_${name}`,
      help,
      registers: this.#registers,
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  totals(metric: {
    readonly name: string;
    readonly help: string;
    readonly label: string;
    readonly read: () => Readonly<Record<string, number>>;
  }): void {
    const { name, help, label, read } = metric;
    new Counter({
      name: `arrowmesh_ratelimit_${name}`,
      help,
      labelNames: [label],
      registers: this.#registers,
      collect() {
        this.reset();
        for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count);
      },
    });
  }
}
