import type { Clock } from "../../lib/clock.js";
import { MeshError } from "../../lib/errors.js";
import { ArrivalTimes } from "./arrival-times.js";
import { type Charge, type Decision, decide } from "./decision.js";
import { arrivalOf, debtOf, giveBack, spend } from "./gcra.js";
import { type LimitStore, noReservations, type ReservationTotals } from "./store.js";

export interface MemoryBounds {
  readonly keysMax: number;
  readonly reservationsMax: number;
}

interface Reservation {
  readonly charge: Charge;
  readonly decision: Decision;
  readonly dueAtMs: number;
  readonly cancelTimer: () => void;
}

/** Counters of one process. A restart forgets them, which errs in the callers' favour. */
export class MemoryStore implements LimitStore {
  readonly #bounds: MemoryBounds;
  readonly #clock: Clock;
  readonly #times: ArrivalTimes;
  readonly #reservations = new Map<string, Reservation>();
  readonly #totals: ReservationTotals = noReservations();

  constructor(bounds: MemoryBounds, clock: Clock) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#times = new ArrivalTimes(bounds.keysMax);
  }

  /** Buckets that are not full, and those that were not looked at since they were. */
  get keys(): number {
    return this.#times.size;
  }

  async peek(charge: Charge): Promise<Decision> {
    return decide(charge, this.#debtsOf(charge, this.#nowMs()));
  }

  async take(charge: Charge): Promise<Decision> {
    const nowMs = this.#nowMs();
    const debts = this.#debtsOf(charge, nowMs);
    const decision = decide(charge, debts);
    if (decision.allowed) this.#spend(charge, debts, nowMs);
    return decision;
  }

  /** Nothing here may wait between look and spend: two calls with one id would both pay. */
  async reserve(id: string, ttlMs: number, charge: Charge): Promise<Decision> {
    // Without rules there is nothing to give back: a caller without limits costs no memory.
    if (charge.rules.length === 0) return decide(charge, []);
    const nowMs = this.#nowMs();
    const known = this.#openAt(id, nowMs);
    if (known !== undefined) return known.decision;
    const debts = this.#debtsOf(charge, nowMs);
    const decision = decide(charge, debts);
    if (!decision.allowed) return decision;
    if (this.#reservations.size >= this.#bounds.reservationsMax) {
      throw new MeshError("overloaded", "too many reservations at once", { retryAfterMs: 1_000 });
    }
    this.#spend(charge, debts, nowMs);
    const dueAtMs = nowMs + ttlMs;
    const cancelTimer = this.#clock.at(dueAtMs, () => this.#expire(id));
    this.#reservations.set(id, { charge, decision, dueAtMs, cancelTimer });
    this.#totals.opened += 1;
    return decision;
  }

  async commit(ids: readonly string[]): Promise<void> {
    const nowMs = this.#nowMs();
    for (const id of ids) {
      if (this.#openAt(id, nowMs) === undefined) continue;
      this.#close(id);
      this.#totals.committed += 1;
    }
  }

  async release(ids: readonly string[]): Promise<void> {
    const nowMs = this.#nowMs();
    for (const id of ids) {
      const reservation = this.#openAt(id, nowMs);
      if (reservation === undefined) continue;
      this.#close(id);
      this.#giveBack(reservation.charge, nowMs);
      this.#totals.released += 1;
    }
  }

  isReady(): boolean {
    return true;
  }

  totals(): Readonly<ReservationTotals> {
    return this.#totals;
  }

  openReservations(): number {
    return this.#reservations.size;
  }

  /** Stops the timers of open reservations; the counters go with the process. */
  close(): void {
    for (const { cancelTimer } of this.#reservations.values()) cancelTimer();
    this.#reservations.clear();
  }

  /** Whole milliseconds, as gcra.ts counts them. */
  #nowMs(): number {
    return Math.floor(this.#clock.nowMs());
  }

  #debtsOf({ rules }: Charge, nowMs: number): number[] {
    return rules.map(({ key, bucket }) => debtOf(bucket, this.#times.get(key), nowMs));
  }

  #spend({ rules, amount }: Charge, debts: readonly number[], nowMs: number): void {
    const keys = rules.map(({ key }) => key);
    this.#times.requireRoom(keys, nowMs);
    rules.forEach(({ key, bucket }, index) => {
      const debt = spend(bucket, debts[index] ?? 0, amount);
      this.#times.set(key, arrivalOf(bucket, debt, nowMs));
    });
  }

  #giveBack({ rules, amount }: Charge, nowMs: number): void {
    for (const { key, bucket } of rules) {
      const debt = giveBack(bucket, debtOf(bucket, this.#times.get(key), nowMs), amount);
      this.#times.set(key, arrivalOf(bucket, debt, nowMs));
    }
  }

  /** The reservation, unless its time is over, even where its timer is late. */
  #openAt(id: string, nowMs: number): Reservation | undefined {
    const reservation = this.#reservations.get(id);
    if (reservation === undefined || reservation.dueAtMs > nowMs) return reservation;
    this.#expire(id);
    return undefined;
  }

  #expire(id: string): void {
    const reservation = this.#close(id);
    if (reservation === undefined) return;
    this.#giveBack(reservation.charge, this.#nowMs());
    this.#totals.expired += 1;
  }

  #close(id: string): Reservation | undefined {
    const reservation = this.#reservations.get(id);
    reservation?.cancelTimer();
    this.#reservations.delete(id);
    return reservation;
  }
}
