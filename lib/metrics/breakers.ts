import type { Registry } from "prom-client";
import { registerMetric } from "./register.js";

/** What a circuit breaker tells of itself, whatever it stands before. */
export interface BreakerStatus {
  readonly state: "closed" | "half_open" | "open";
  /** Failures that it has counted since the process began. */
  readonly failures: number;
  /** Calls under way that try whether what is behind it answers again. */
  readonly halfOpenSlots: number;
}

const numberOf = { closed: 0, half_open: 1, open: 2 } as const;

/** The circuit breakers of a process by name; `observe` is all that a new one needs. */
export class Breakers {
  readonly #readers = new Map<string, () => BreakerStatus>();

  constructor(registry: Registry) {
    const register = (
      metric: { readonly name: string; readonly help: string; readonly type: "gauge" | "counter" },
      numberIn: (status: BreakerStatus) => number,
    ): void =>
      registerMetric(registry, {
        ...metric,
        read: () =>
          [...this.#readers].map(([breaker, read]) => ({
            labels: { breaker },
            value: numberIn(read()),
          })),
      });
    register(
      {
        name: "arrowmesh_breaker_state",
        help: "0 closed: calls go through; 1 half open: some try; 2 open: none do.",
        type: "gauge",
      },
      ({ state }) => numberOf[state],
    );
    register(
      {
        name: "arrowmesh_breaker_failures_total",
        help: "Failures that a breaker has counted; those that happen together are one.",
        type: "counter",
      },
      ({ failures }) => failures,
    );
    register(
      {
        name: "arrowmesh_breaker_half_open_slots",
        help: "Calls under way that try whether what is behind a breaker answers again.",
        type: "gauge",
      },
      ({ halfOpenSlots }) => halfOpenSlots,
    );
  }

  /** The name becomes a label, so it never comes from a request. */
  observe(breaker: string, read: () => BreakerStatus): void {
    this.#readers.set(breaker, read);
  }
}
