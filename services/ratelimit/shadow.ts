import { MeshError } from "../../lib/errors.js";
import type { Span } from "../../lib/tracing/span.js";
import { chargeOf, type Held, holds, itemsOf } from "./charges.js";
import type { RatelimitCounts } from "./metrics.js";
import type { RulesByCounted } from "./policy/policy.js";
import type { Spending } from "./requests.js";
import type { ReservationTerms, Settlement } from "./stores/charge.js";
import type { LimitStore } from "./stores/store.js";

/** Longer than any id of a caller, so that none is the same. */
const idPrefix = "shadow".padEnd(65, ":");

/** How something is spent, and for which call. */
export interface SpendingTerms {
  readonly held: Held;
  readonly terms: ReservationTerms | undefined;
  readonly trace: Span;
}

/**
 * Rules that are tried out. They are charged for what the others allowed, in a decision of their own, so whatever comes
 * of it changes nothing but metrics.
 */
export class Shadow {
  readonly #store: LimitStore;
  readonly #count: RatelimitCounts;
  /** Whether reservations of shadow rules can be open: the rules may have gone since. */
  #hasHeld = false;

  constructor(store: LimitStore, count: RatelimitCounts) {
    this.#store = store;
    this.#count = count;
  }

  /** Whether something is held now that is to be given back. */
  async spend(
    rules: RulesByCounted,
    spending: Spending,
    { held, terms, trace }: SpendingTerms,
  ): Promise<boolean> {
    const all = itemsOf(rules, spending, held);
    const items = terms === undefined ? all.filter(({ isHeld }) => !isHeld) : all;
    if (items.length === 0) return false;
    const isHolding = holds(items);
    this.#hasHeld ||= isHolding;
    try {
      const decision = await this.#store.spend(
        chargeOf(items, { terms: terms && { ...terms, id: idPrefix + terms.id }, trace }),
      );
      this.#count.shadow(spending, decision);
      return decision.allowed && isHolding;
    } catch (error) {
      // The store was away, or full: the decision that counts has been made.
      if (error instanceof MeshError) return false;
      throw error;
    }
  }

  /** What else ends with `settlements`. */
  settlementsOf(settlements: readonly Settlement[]): readonly Settlement[] {
    if (!this.#hasHeld) return settlements;
    return settlements.flatMap((each) => [each, { ...each, id: idPrefix + each.id }]);
  }
}
