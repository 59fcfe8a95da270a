import type { Clock } from "../../../lib/clock.js";
import { unitsMaxOf } from "../algorithms/quota.js";
import type { Charge, Decision, Item, ItemState } from "./charge.js";
import { OverLimitCache } from "./over-limit-cache.js";
import type { LimitStore } from "./store.js";
import { StoreAround } from "./store-around.js";

/**
 * Answers for a shared store where the answer is certain: a key that has no room is refused here until it could have
 * some, so that whoever goes on asking costs the store nothing. It allows and refuses as the store would.
 */
export class OverLimitStore extends StoreAround {
  readonly #clock: Clock;
  readonly #cache = new OverLimitCache();
  #hits = 0;

  constructor(store: LimitStore, clock: Clock) {
    super(store);
    this.#clock = clock;
  }

  /** Decisions that the store was not asked for. */
  get hits(): number {
    return this.#hits;
  }

  get keys(): number {
    return this.#cache.size;
  }

  /** Whoever peeks wants to know how every item stands, so all of them must be known. */
  override async peek(charge: Charge): Promise<Decision> {
    const refused = this.#refusedOf(charge.items);
    if (refused.length > 0 && refused.length === charge.items.length) return this.#hit(refused);
    const askedAtMs = this.#clock.nowMs();
    return this.#remember(await this.inner.peek(charge), askedAtMs);
  }

  /**
   * One item without room refuses all; the others are answered as if nothing was spent of them. A reservation that is
   * made again while it is open is not refused by what it holds, because nothing was held when the key was remembered.
   * What is spent for good has no such promise.
   */
  override async spend(charge: Charge): Promise<Decision> {
    const refused = this.#refusedOf(charge.items);
    if (refused.length > 0) return this.#hit(statesOf(charge.items, refused));
    const askedAtMs = this.#clock.nowMs();
    return this.#remember(await this.inner.spend(charge), askedAtMs);
  }

  /** Makes room; also answers that were under way when it was made can be too old. */
  override async giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    this.#forget(items);
    const states = await this.inner.giveBack(items);
    this.#forget(items);
    return states;
  }

  #refusedOf(items: readonly Item[]): readonly ItemState[] {
    if (this.#cache.size === 0) return none;
    const nowMs = this.#clock.nowMs();
    const refused: ItemState[] = [];
    for (const item of items) {
      const state = this.#cache.find(item, nowMs);
      if (state !== undefined) refused.push(state);
    }
    return refused;
  }

  #forget(items: readonly Item[]): void {
    for (const item of items) this.#cache.forget(item);
  }

  #hit(states: readonly ItemState[]): Decision {
    this.#hits += 1;
    return { allowed: false, states, isDegraded: false };
  }

  /** What one process decided by itself says nothing about the shared counters. */
  #remember(decision: Decision, askedAtMs: number): Decision {
    if (decision.allowed || decision.isDegraded) return decision;
    for (const state of decision.states) this.#cache.remember(state, askedAtMs);
    return decision;
  }
}

const none: readonly never[] = [];

function statesOf(items: readonly Item[], refused: readonly ItemState[]): readonly ItemState[] {
  return items.map((item) => refused.find((state) => state.item === item) ?? asUnspent(item));
}

function asUnspent(item: Item): ItemState {
  const remaining = unitsMaxOf(item.rule.quota);
  return { item, remaining, resetMs: 0, retryAfterMs: 0 };
}
