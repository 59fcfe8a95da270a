import { Counter, Gauge, type Registry } from "prom-client";
import { Unit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import type { LimitStore } from "./store.js";

/** What the service counts. */
export interface RatelimitCounts {
  decision(unit: Unit, allowed: boolean): void;
  /** Lets the metrics read the store when they are scraped. */
  observe(store: LimitStore): void;
}

export function createRatelimitMetrics(registry: Registry): RatelimitCounts {
  const registers = [registry];
  const decisions = new Counter({
    name: "arrowmesh_ratelimit_decisions_total",
    help: "Decisions that spend, by unit and outcome.",
    labelNames: ["unit", "outcome"],
    registers,
  });
  return {
    decision(unit, allowed) {
      const outcome = allowed ? "allowed" : "refused";
      decisions.inc({ unit: unit === Unit.TOKENS ? "tokens" : "requests", outcome });
    },
    observe(store) {
      new Counter({
        name: "arrowmesh_ratelimit_reservations_total",
        help: "Reservations by what this process saw happen to them.",
        labelNames: ["event"],
        registers,
        collect() {
          this.reset();
          for (const [event, count] of Object.entries(store.totals())) this.inc({ event }, count);
        },
      });
      if (store.openReservations() === undefined) return;
      new Gauge({
        name: "arrowmesh_ratelimit_reservations_open",
        help: "Reservations neither committed, released nor expired; counters in memory only.",
        registers,
        collect() {
          this.set(store.openReservations() ?? 0);
        },
      });
    },
  };
}
