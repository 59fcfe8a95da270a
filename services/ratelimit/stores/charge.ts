import type { Span } from "../../../lib/tracing/span.js";
import type { Quota } from "../algorithms/quota.js";

/** What a decision does about a rule whose counters cannot be reached. */
export type OnStoreFailure = "allow" | "refuse" | "degrade";

/** One limit as it applies to one caller. */
export interface AppliedRule {
  readonly name: string;
  /**
   * Names the counter: callers with the same key share it. It has a bounded length, and the quota is part of it, so a
   * counter never meets another quota than its own: a changed rule starts anew.
   */
  readonly key: string;
  readonly quota: Quota;
  readonly onStoreFailure: OnStoreFailure;
  /** The most units of the counter that a process may take in advance; absent: it asks for each decision. */
  readonly lease?: number | undefined;
}

/** One rule's part of a charge. */
export interface Item {
  readonly rule: AppliedRule;
  /** Whole units; 0 asks whether one unit would fit, and spends nothing. */
  readonly amount: number;
  /** Whether it is spent until the charge's reservation is settled, instead of for good. Slots always are. */
  readonly isHeld: boolean;
}

/** What is spent together: of every item, or of none. The keys of its items differ. */
export interface Charge {
  readonly items: readonly Item[];
  /** Present exactly when an item is held. */
  readonly reservation?: ReservationTerms;
  /** Whose wait it is: what a shared store is asked is shown below it. */
  readonly trace?: Span | undefined;
}

/** How long what is held stays, unless it is settled before. */
export interface ReservationTerms {
  /** While it is open, the same id is spent once and answers as the first time. */
  readonly id: string;
  /** After which it comes back by itself. */
  readonly ttlMs: number;
}

/** Where one item stands after a decision. */
export interface ItemState {
  readonly item: Item;
  readonly remaining: number;
  /** Until the whole quota is there again. */
  readonly resetMs: number;
  /** Until the amount would be allowed: 0 now, undefined never. */
  readonly retryAfterMs: number | undefined;
  /**
   * Of an item without room: only time makes room, because no reservation holds anything of its counter that could come
   * back before. Absent where that is not so, or not known.
   */
  readonly isFirm?: true;
}

export interface Decision {
  readonly allowed: boolean;
  readonly states: readonly ItemState[];
  /** Whether the shared counters could not be reached, so that each rule's `onStoreFailure` decided. */
  readonly isDegraded: boolean;
}

/** Of a charge without items. */
export const nothingToDecide: Decision = { allowed: true, states: [], isDegraded: false };

/** An amount of 0 asks whether one unit would fit. */
export function askedOf({ amount }: Pick<Item, "amount">): number {
  return amount === 0 ? 1 : amount;
}

/** How a reservation ends. */
export interface Settlement {
  readonly id: string;
  /**
   * Of each item, the most that stays spent; the rest comes back. Infinity commits, 0 releases. Slots come back
   * whatever it is.
   */
  readonly keptMax: number;
}
