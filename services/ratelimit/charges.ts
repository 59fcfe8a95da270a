import type { Span } from "../../lib/tracing/span.js";
import type { CompiledRule } from "./policy/compile-rule.js";
import type { RulesByCounted } from "./policy/policy.js";
import type { Spending } from "./requests.js";
import type { Charge, Item, ReservationTerms } from "./stores/charge.js";

/** What of a charge is given back by its end: nothing, the slots of concurrent requests, or all of it. */
export type Held = "nothing" | "slots" | "everything";

/** What a spending costs each of the rules that apply to it. A request holds one slot of each limit on concurrent ones. */
export function itemsOf(
  rules: RulesByCounted,
  { attributes, spends }: Spending,
  held: Held,
): readonly Item[] {
  const items: Item[] = [];
  const add = (applying: readonly CompiledRule[], amount: number, isHeld: boolean): void => {
    for (const apply of applying) {
      const rule = apply(attributes);
      if (rule !== undefined) items.push({ rule, amount, isHeld });
    }
  };
  for (const { counts, amount } of spends) {
    add(rules[counts], amount, held === "everything");
    if (counts === "requests") add(rules.concurrent_requests, 1, held !== "nothing");
  }
  return items;
}

/** With the terms only where something is held. */
export function chargeOf(
  items: readonly Item[],
  { terms, trace }: { readonly terms?: ReservationTerms | undefined; readonly trace: Span },
): Charge {
  return terms !== undefined && holds(items)
    ? { items, reservation: terms, trace }
    : { items, trace };
}

export function holds(items: readonly Item[]): boolean {
  for (const { isHeld } of items) if (isHeld) return true;
  return false;
}
