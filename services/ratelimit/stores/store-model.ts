import { deepEqual, equal, ok } from "node:assert/strict";
import type { AppliedRule, Charge, Decision, Item, ItemState, Settlement } from "./charge.js";
import { createModelCounter, type ModelCounter, type Range, type Spent } from "./model-counters.js";

interface ModelReservation {
  readonly held: readonly { readonly item: Item; readonly spent: Spent }[];
  readonly decision: Decision;
  readonly dueAtMs: number;
}

/**
 * What a store should have answered, by a list of what was spent. It is told each call, its answer and the time at which
 * it was decided, in the order of the decisions, and throws where the answer is wrong: more was allowed than any window
 * of the quota's kind admits, room was refused, a part of a charge was spent, or a number is not right.
 */
export class StoreModel {
  readonly #counters = new Map<string, ModelCounter>();
  readonly #reservations = new Map<string, ModelReservation>();

  peeked({ items }: Charge, decision: Decision, nowMs: number): void {
    equal(decision.isDegraded, false);
    this.#expire(nowMs);
    this.#requireStanding(items, decision, nowMs);
  }

  spent({ items, reservation }: Charge, decision: Decision, nowMs: number): void {
    equal(decision.isDegraded, false);
    this.#expire(nowMs);
    const open = reservation && this.#reservations.get(reservation.id);
    if (open !== undefined) {
      deepEqual(decision, open.decision, "an open reservation answers as the first time");
      return;
    }
    if (!decision.allowed) {
      this.#requireStanding(items, decision, nowMs);
      return;
    }
    this.#requireRoom(items, nowMs);
    const all = items.map((item) => {
      return { item, spent: this.#counter(item.rule).spend(nowMs, item.amount) };
    });
    this.#requireStates(items, decision.states, nowMs);
    for (const { retryAfterMs } of decision.states) equal(retryAfterMs, 0, "allowed: no wait");
    if (reservation === undefined) return;
    const held = all.filter(({ item }) => item.isHeld);
    const dueAtMs = nowMs + reservation.ttlMs;
    this.#reservations.set(reservation.id, { held, decision, dueAtMs });
  }

  settled({ id, keptMax }: Settlement, nowMs: number): void {
    this.#expire(nowMs);
    this.#end(id, keptMax, nowMs);
  }

  gaveBack(items: readonly Item[], states: readonly ItemState[], nowMs: number): void {
    this.#expire(nowMs);
    for (const item of items) this.#counter(item.rule).restore(nowMs, item.amount);
    this.#requireStates(items, states, nowMs);
  }

  /** Ids that were open at the last call. */
  openIds(): readonly string[] {
    return [...this.#reservations.keys()];
  }

  #expire(nowMs: number): void {
    const due = [...this.#reservations].filter(([, { dueAtMs }]) => dueAtMs <= nowMs);
    for (const [id, { dueAtMs }] of due.sort(([, a], [, b]) => a.dueAtMs - b.dueAtMs)) {
      this.#end(id, 0, dueAtMs);
    }
  }

  #end(id: string, keptMax: number, nowMs: number): void {
    const { held = [] } = this.#reservations.get(id) ?? {};
    this.#reservations.delete(id);
    for (const { item, spent } of held) {
      const { rule, amount } = item;
      const kept = rule.quota.algorithm === "concurrency" ? 0 : Math.min(keptMax, amount);
      this.#counter(rule).giveBack(nowMs, spent, amount - kept);
    }
  }

  /** Nothing was spent: a peek, or a refusal. */
  #requireStanding(items: readonly Item[], decision: Decision, nowMs: number): void {
    this.#requireStates(items, decision.states, nowMs);
    items.forEach((item, index) => {
      const retryAfterMs = decision.states[index]?.retryAfterMs;
      const counter = this.#counter(item.rule);
      if (item.amount > counter.unitsMax) equal(retryAfterMs, undefined, "over the quota");
      else requireWithin(retryAfterMs, counter.waitMs(nowMs, askedOf(item)), "retryAfterMs", item);
    });
    const fits = decision.states.every(({ retryAfterMs }) => retryAfterMs === 0);
    equal(decision.allowed, fits, "allowed exactly when nothing has to wait");
  }

  #requireRoom(items: readonly Item[], nowMs: number): void {
    for (const item of items) {
      const counter = this.#counter(item.rule);
      ok(item.amount <= counter.unitsMax, "more was allowed than the quota");
      const [waitMs] = counter.waitMs(nowMs, askedOf(item));
      equal(waitMs, 0, `allowed ${item.amount} without room: ${JSON.stringify(item.rule.quota)}`);
    }
  }

  #requireStates(items: readonly Item[], states: readonly ItemState[], nowMs: number): void {
    equal(states.length, items.length);
    items.forEach((item, index) => {
      const { remaining, resetMs }: Partial<ItemState> = states[index] ?? {};
      deepEqual(states[index]?.item, item);
      const counter = this.#counter(item.rule);
      requireWithin(remaining, counter.remaining(nowMs), "remaining", item);
      requireWithin(resetMs, counter.resetMs(nowMs), "resetMs", item);
    });
  }

  #counter({ key, quota }: AppliedRule): ModelCounter {
    const known = this.#counters.get(key);
    if (known !== undefined) return known;
    const added = createModelCounter(quota);
    this.#counters.set(key, added);
    return added;
  }
}

function askedOf({ amount }: Item): number {
  return amount === 0 ? 1 : amount;
}

function requireWithin(
  actual: number | undefined,
  [least, most]: Range,
  name: string,
  { rule, amount }: Item,
): void {
  const isWithin = actual !== undefined && actual >= least && actual <= most;
  ok(isWithin, `${name} ${actual}, not ${least}..${most}: ${amount} of ${JSON.stringify(rule)}`);
}
