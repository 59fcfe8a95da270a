import type { Clock } from "../../../lib/clock.js";
import type { Decision, Item } from "./charge.js";
import { type Expiring, ExpiryHeap } from "./expiry-heap.js";

/** What is held under an id until it is settled or due. */
export interface OpenReservation extends Expiring {
  readonly id: string;
  readonly held: readonly Item[];
  /** What was answered first. */
  readonly decision: Decision;
  readonly spentAtMs: number;
}

/** The open reservations of one process. One timer waits for all of them, whatever their number. */
export class Reservations {
  readonly #clock: Pick<Clock, "at">;
  readonly #onDue: () => void;
  readonly #byId = new Map<string, OpenReservation>();
  readonly #byDue = new ExpiryHeap<OpenReservation>();
  #timer: { readonly dueAtMs: number; readonly cancel: () => void } | undefined;

  /** Calls `onDue` when the first becomes due, also when nobody else looks; due times are those of `clock`. */
  constructor(clock: Pick<Clock, "at">, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  get size(): number {
    return this.#byDue.size;
  }

  get(id: string): OpenReservation | undefined {
    return this.#byId.get(id);
  }

  add(reservation: OpenReservation): void {
    this.#byId.set(reservation.id, reservation);
    this.#byDue.add(reservation);
    this.#await(reservation.dueAtMs);
  }

  remove(reservation: OpenReservation): void {
    this.#byId.delete(reservation.id);
    this.#byDue.remove(reservation);
  }

  /** Takes out one whose time is over. */
  takeDue(nowMs: number): OpenReservation | undefined {
    const first = this.#byDue.first;
    if (first === undefined || first.dueAtMs > nowMs) return undefined;
    this.remove(first);
    return first;
  }

  /** Forgets all of them and stops the timer. */
  close(): void {
    this.#byId.clear();
    this.#byDue.clear();
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  /** A timer that is set for earlier stays: when it fires, the next is set. */
  #await(dueAtMs: number): void {
    if (this.#timer !== undefined && this.#timer.dueAtMs <= dueAtMs) return;
    this.#timer?.cancel();
    this.#timer = { dueAtMs, cancel: this.#clock.at(dueAtMs, () => this.#fire()) };
  }

  #fire(): void {
    this.#timer = undefined;
    this.#onDue();
    const first = this.#byDue.first;
    if (first !== undefined) this.#await(first.dueAtMs);
  }
}
