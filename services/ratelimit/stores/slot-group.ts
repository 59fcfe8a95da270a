import type { Decision, Item, ItemState } from "./charge.js";
import { memberOf, type RedisHeld, type RedisItem } from "./redis-charge.js";
import { slotOf } from "./slot-of.js";

/** Items of a charge whose counters are in one slot of a Redis Cluster. */
export interface SlotGroup {
  readonly items: readonly RedisItem[];
  readonly charged: readonly Item[];
  /** Where each of them stands in the charge. */
  readonly places: readonly number[];
}

/** What was decided in one slot, and when. */
export interface SlotDecision {
  readonly group: SlotGroup;
  readonly nowMs: number;
  readonly decision: Decision;
}

/** The items of a charge by slot; `items[i]` is `charged[i]` as Redis sees it. */
export function groupBySlot(
  items: readonly RedisItem[],
  charged: readonly Item[],
): readonly SlotGroup[] {
  const places = new Map<number, number[]>();
  items.forEach(({ key }, index) => {
    const slot = slotOf(key);
    const known = places.get(slot);
    if (known === undefined) places.set(slot, [index]);
    else known.push(index);
  });
  return [...places.values()].map((all) => ({
    items: all.flatMap((index) => items[index] ?? []),
    charged: all.flatMap((index) => charged[index] ?? []),
    places: all,
  }));
}

/** What was decided of the whole charge, each state at the place of its item. */
export function mergeDecisions(decisions: readonly SlotDecision[]): Decision {
  const states: ItemState[] = [];
  for (const { group, decision } of decisions) {
    decision.states.forEach((state, index) => {
      states[group.places[index] ?? 0] = state;
    });
  }
  return { allowed: isAllowed(decisions), states, isDegraded: false };
}

export function isAllowed(decisions: readonly SlotDecision[]): boolean {
  return decisions.every(({ decision }) => decision.allowed);
}

/** What an allowed decision under an id holds: for settle.lua, one `held` for each item that passes. */
export function heldBy(
  id: string,
  { group, nowMs }: SlotDecision,
  passes: (item: Item) => boolean = () => true,
): readonly RedisHeld[] {
  return group.items.flatMap((item, index) => {
    const { key, quota, amount, heldMs, isCounted } = item;
    const charged = group.charged[index];
    if (heldMs === 0 || amount === 0 || charged === undefined || !passes(charged)) return [];
    const member = memberOf({ amount, spentAtMs: nowMs, isCounted, id });
    return [{ key, quota, amount, spentAtMs: nowMs, member }];
  });
}
