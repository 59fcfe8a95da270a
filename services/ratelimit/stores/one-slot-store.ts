import type { Charge, Decision, Item, ItemState, Settlement } from "./charge.js";
import type { LimitStore } from "./store.js";

const owner = "|one-owner";

/**
 * For tests: a store in a Redis Cluster of which all counters share a slot, and which is asked one thing after another.
 * So each decision has one time, and they are made in the order of the calls.
 */
export class OneSlotStore implements LimitStore {
  readonly #store: LimitStore;
  #last: Promise<unknown> = Promise.resolve();

  constructor(store: LimitStore) {
    this.#store = store;
  }

  peek(charge: Charge): Promise<Decision> {
    return this.#then(async () => told(await this.#store.peek(owned(charge))));
  }

  spend(charge: Charge): Promise<Decision> {
    return this.#then(async () => told(await this.#store.spend(owned(charge))));
  }

  giveBack(items: readonly Item[]): Promise<readonly ItemState[]> {
    return this.#then(async () => (await this.#store.giveBack(ownedItems(items))).map(toldState));
  }

  settle(settlements: readonly Settlement[]): Promise<void> {
    return this.#then(() => this.#store.settle(settlements));
  }

  isReady = () => this.#store.isReady();
  totals = () => this.#store.totals();
  openReservations = () => this.#store.openReservations();

  #then<T>(act: () => Promise<T>): Promise<T> {
    const next = this.#last.then(act);
    this.#last = next.catch(() => undefined);
    return next;
  }
}

function owned(charge: Charge): Charge {
  return { ...charge, items: ownedItems(charge.items) };
}

function ownedItems(items: readonly Item[]): readonly Item[] {
  return items.map((item) => withKey(item, `${item.rule.key}${owner}`));
}

/** Items as the caller named them. */
function told(decision: Decision): Decision {
  return { ...decision, states: decision.states.map(toldState) };
}

function toldState(state: ItemState): ItemState {
  const { item } = state;
  return { ...state, item: withKey(item, item.rule.key.replace(owner, "")) };
}

function withKey(item: Item, key: string): Item {
  return { ...item, rule: { ...item.rule, key } };
}
