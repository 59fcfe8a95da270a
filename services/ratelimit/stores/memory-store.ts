import { assert } from "../../../lib/assert.js";
import type { Clock } from "../../../lib/clock.js";
import { MeshError } from "../../../lib/errors.js";
import { type Counter, createCounter } from "../algorithms/counter.js";
import {
  askedOf,
  type Charge,
  type Decision,
  type Item,
  type ItemState,
  type ReservationTerms,
  type Settlement,
} from "./charge.js";
import { Counters } from "./counters.js";
import { type OpenReservation, Reservations } from "./reservations.js";
import { countSettled, type LimitStore, noReservations, type ReservationTotals } from "./store.js";

export interface MemoryBounds {
  readonly keysMax: number;
  readonly reservationsMax: number;
}

/** An item and the counter of its key. */
interface Entry {
  readonly item: Item;
  readonly counter: Counter;
  /** Whether the counter is not kept yet. */
  readonly isNew: boolean;
}

/** Counters of one process. A restart forgets them, which errs in the callers' favour. */
export class MemoryStore implements LimitStore {
  readonly #bounds: MemoryBounds;
  readonly #clock: Clock;
  /** 1970 by the clock that never goes back, so that setting the date does nothing. */
  readonly #epochMs: number;
  readonly #counters: Counters;
  readonly #reservations: Reservations;
  readonly #totals: ReservationTotals = noReservations();

  constructor(bounds: MemoryBounds, clock: Clock) {
    this.#bounds = bounds;
    this.#clock = clock;
    this.#epochMs = clock.dateMs() - clock.nowMs();
    this.#counters = new Counters(bounds.keysMax);
    const at: Clock["at"] = (dueAtMs, then) => clock.at(dueAtMs - this.#epochMs, then);
    this.#reservations = new Reservations({ at }, () => this.#expire(this.#nowMs()));
  }

  /** Counters that are not idle, and those that were not looked at since they are. */
  get keys(): number {
    return this.#counters.size;
  }

  async peek({ items }: Charge): Promise<Decision> {
    const nowMs = this.#nowMs();
    this.#expire(nowMs);
    return decisionNow(this.#entriesOf(items), nowMs);
  }

  /** Nothing here may wait between looking and spending: two calls would both see the same room. */
  async spend({ items, reservation }: Charge): Promise<Decision> {
    const nowMs = this.#nowMs();
    this.#expire(nowMs);
    const known = reservation && this.#reservations.get(reservation.id);
    if (known !== undefined) return known.decision;
    for (const item of items) assert(canComeBack(item, reservation), "what is held needs an end");
    const entries = this.#entriesOf(items);
    if (!haveRoom(entries, nowMs)) return decisionNow(entries, nowMs);
    if (reservation !== undefined) this.#requireReservation();
    this.#spend(entries, nowMs);
    const decision = { allowed: true, states: statesAfter(entries, nowMs), isDegraded: false };
    if (reservation !== undefined) {
      const { id, ttlMs } = reservation;
      const held = items.filter(({ isHeld }) => isHeld);
      const dueAtMs = nowMs + ttlMs;
      this.#reservations.add({ id, held, decision, spentAtMs: nowMs, dueAtMs, heapIndex: 0 });
      this.#totals.opened += 1;
    }
    return decision;
  }

  async giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    const nowMs = this.#nowMs();
    this.#expire(nowMs);
    const entries = this.#entriesOf(items);
    for (const { item, counter, isNew } of entries) {
      if (isNew) continue;
      counter.restore(nowMs, item.amount);
      this.#counters.dropIdle(item.rule.key, counter, nowMs);
    }
    return statesAfter(entries, nowMs);
  }

  async settle(settlements: readonly Settlement[]): Promise<void> {
    const nowMs = this.#nowMs();
    this.#expire(nowMs);
    for (const { id, keptMax } of settlements) {
      const reservation = this.#reservations.get(id);
      if (reservation === undefined) continue;
      this.#reservations.remove(reservation);
      this.#giveBack(reservation, keptMax, nowMs);
      countSettled(this.#totals, keptMax, 1);
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

  /** Stops the timer of open reservations; the counters go with the process. */
  close(): void {
    this.#reservations.close();
  }

  #nowMs(): number {
    return Math.floor(this.#epochMs + this.#clock.nowMs());
  }

  /** Gives back what was not settled in time, before anything else is decided. */
  #expire(nowMs: number): void {
    for (;;) {
      const due = this.#reservations.takeDue(nowMs);
      if (due === undefined) return;
      this.#giveBack(due, 0, nowMs);
      this.#totals.expired += 1;
    }
  }

  #entriesOf(items: readonly Item[]): readonly Entry[] {
    return items.map((item) => {
      const known = this.#counters.get(item.rule.key);
      const counter = known ?? createCounter(item.rule.quota);
      return { item, counter, isNew: known === undefined };
    });
  }

  #requireReservation(): void {
    if (this.#reservations.size < this.#bounds.reservationsMax) return;
    throw new MeshError("overloaded", "too many reservations at once", { retryAfterMs: 1_000 });
  }

  /** Throws before it spends, or spends all. */
  #spend(entries: readonly Entry[], nowMs: number): void {
    const isAnyNew = entries.some(({ isNew }) => isNew);
    if (isAnyNew) this.#counters.requireRoom(keysOf(entries), nowMs);
    for (const { item, counter } of entries) {
      if (item.amount === 0) continue;
      counter.spend(nowMs, item.amount);
      // Making room may have dropped the others, if they were idle.
      if (isAnyNew) this.#counters.set(item.rule.key, counter);
    }
  }

  #giveBack({ held, spentAtMs }: OpenReservation, keptMax: number, nowMs: number): void {
    for (const { rule, amount } of held) {
      const counter = this.#counters.get(rule.key);
      // What was dropped was idle: everything had come back.
      if (counter === undefined) continue;
      const back = rule.quota.algorithm === "concurrency" ? amount : amount - keptMax;
      if (back > 0) counter.giveBack(nowMs, back, spentAtMs);
      this.#counters.dropIdle(rule.key, counter, nowMs);
    }
  }
}

/** Slots are always held, and what is held belongs to a reservation: nothing else would ever give them back. */
function canComeBack({ rule, isHeld }: Item, reservation: ReservationTerms | undefined): boolean {
  return isHeld ? reservation !== undefined : rule.quota.algorithm !== "concurrency";
}

function haveRoom(entries: readonly Entry[], nowMs: number): boolean {
  return entries.every(({ item, counter }) => counter.waitMs(nowMs, askedOf(item)) === 0);
}

/** Every state as it stands. */
function decisionNow(entries: readonly Entry[], nowMs: number): Decision {
  const states = entries.map(({ item, counter }) => ({
    item,
    remaining: counter.remaining(nowMs),
    resetMs: counter.resetMs(nowMs),
    retryAfterMs: counter.waitMs(nowMs, askedOf(item)),
  }));
  const allowed = states.every(({ retryAfterMs }) => retryAfterMs === 0);
  return { allowed, states, isDegraded: false };
}

function statesAfter(entries: readonly Entry[], nowMs: number): readonly ItemState[] {
  return entries.map(({ item, counter }) => ({
    item,
    remaining: counter.remaining(nowMs),
    resetMs: counter.resetMs(nowMs),
    retryAfterMs: 0,
  }));
}

function keysOf(entries: readonly Entry[]): readonly string[] {
  return entries.filter(({ item }) => item.amount > 0).map(({ item }) => item.rule.key);
}
