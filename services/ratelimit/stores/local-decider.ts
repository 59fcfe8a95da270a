import { MeshError } from "../../../lib/errors.js";
import { unitsMaxOf } from "../algorithms/quota.js";
import { quotaShare } from "../algorithms/quota-share.js";
import type { Charge, Decision, Item, ItemState, Settlement } from "./charge.js";
import type { LimitStore, ReservationTotals } from "./store.js";

/** When to come back to a rule that refuses during an outage, or to an amount that only the whole quota has room for. */
export const outageRetryMs = 1_000;

/**
 * Decides as each rule's `onStoreFailure` says, when the shared counters cannot be reached: skips the rule, refuses to
 * decide, or counts in this process with this process's share of the quota. All items or none, as ever.
 */
export class LocalDecider {
  readonly #counters: LimitStore;
  readonly #shares: number;

  constructor(counters: LimitStore, shares: number) {
    this.#counters = counters;
    this.#shares = shares;
  }

  peek(charge: Charge): Promise<Decision> {
    return this.#decide("peek", charge);
  }

  spend(charge: Charge): Promise<Decision> {
    return this.#decide("spend", charge);
  }

  async giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    const counted = this.#countedOf(items);
    const states = await this.#counters.giveBack(counted.map((item) => this.#shareOf(item)));
    return statesOf(items, counted, states);
  }

  /** Only what was reserved here is known here. */
  async settle(settlements: readonly Settlement[]): Promise<void> {
    if (this.#counters.openReservations() === 0) return;
    await this.#counters.settle(settlements);
  }

  totals(): Readonly<ReservationTotals> {
    return this.#counters.totals();
  }

  async #decide(act: "peek" | "spend", { items, reservation }: Charge): Promise<Decision> {
    const counted = this.#countedOf(items);
    const isAnyHeld = counted.some(({ isHeld }) => isHeld);
    const { allowed, states } = await this.#counters[act]({
      items: counted.map((item) => this.#shareOf(item)),
      ...(reservation !== undefined && isAnyHeld && { reservation }),
    });
    return { allowed, states: statesOf(items, counted, states), isDegraded: true };
  }

  /** Those that are counted here. */
  #countedOf(items: readonly Item[]): readonly Item[] {
    if (items.some(({ rule }) => rule.onStoreFailure === "refuse")) throw unavailable();
    return items.filter(({ rule }) => rule.onStoreFailure === "degrade");
  }

  #shareOf(item: Item): Item {
    const quota = quotaShare(item.rule.quota, this.#shares);
    return { ...item, rule: { ...item.rule, quota } };
  }
}

/** Of each item, in the order of `items`. */
function statesOf(
  items: readonly Item[],
  counted: readonly Item[],
  states: readonly ItemState[],
): readonly ItemState[] {
  const stateOf = new Map(states.map((state, index) => [counted[index], state]));
  return items.map((item) => toState(item, stateOf.get(item)));
}

/** Says of the item that was asked for what its share says; of one that was skipped that nothing is spent. */
function toState(item: Item, share: ItemState | undefined): ItemState {
  const unitsMax = unitsMaxOf(item.rule.quota);
  if (share === undefined) return { item, remaining: unitsMax, resetMs: 0, retryAfterMs: 0 };
  const { remaining, resetMs, retryAfterMs } = share;
  const isTooMuchForShareOnly = retryAfterMs === undefined && item.amount <= unitsMax;
  return {
    item,
    remaining,
    resetMs,
    retryAfterMs: isTooMuchForShareOnly ? outageRetryMs : retryAfterMs,
  };
}

function unavailable(): MeshError {
  return new MeshError("unavailable", "the limits cannot be reached", {
    retryAfterMs: outageRetryMs,
  });
}
