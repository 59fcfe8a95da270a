import type { Clock } from "../../../lib/clock.js";
import { MeshError } from "../../../lib/errors.js";
import type { AppliedRule, Charge, Decision, Item, ItemState } from "./charge.js";
import { Lease, leaseMs } from "./lease.js";
import type { LimitStore } from "./store.js";
import { StoreAround } from "./store-around.js";

/** Counters that are watched at once, about 300 bytes each; what is spent of others is asked for each time. */
export const watchedMax = 10_000;

/** One item of a charge that is being decided. */
interface Part {
  readonly item: Item;
  readonly lease: Lease | undefined;
  /** Units that the lease has for it. */
  readonly taken: number;
  /** Whether nobody need be asked. */
  readonly isCovered: boolean;
}

/**
 * Answers for a shared store out of units that were taken there in advance, where rules allow it by `lease`: a counter
 * that many ask for costs the store a call for many decisions. All processes together can admit `lease` units for each of
 * them more than a quota in any window, and refuse as many too early; what is spent under a reservation is always asked.
 */
export class LeasingStore extends StoreAround {
  readonly #clock: Clock;
  readonly #leases = new Map<string, Lease>();
  #cancelSweep: (() => void) | undefined;
  #decisions = 0;
  #unitsLost = 0;

  constructor(store: LimitStore, clock: Clock) {
    super(store);
    this.#clock = clock;
  }

  /** Decisions that the store was not asked for. */
  get decisions(): number {
    return this.#decisions;
  }

  /** Held, and not spent. */
  get units(): number {
    let units = 0;
    for (const lease of this.#leases.values()) units += lease.units;
    return units;
  }

  /** Held when their time was over, but not given back. */
  get unitsLost(): number {
    return this.#unitsLost;
  }

  override async peek(charge: Charge): Promise<Decision> {
    if (!charge.items.some(isLeasable)) return await this.inner.peek(charge);
    const nowMs = this.#clock.nowMs();
    const parts = charge.items.map((item): Part => {
      const lease = this.#leases.get(item.rule.key);
      return { item, lease, taken: lease?.units ?? 0, isCovered: lease?.covers(item) ?? false };
    });
    const rest = parts.filter(({ isCovered }) => !isCovered);
    if (rest.length === 0) return this.#withoutAsking(parts, nowMs);
    const items = rest.map(({ item, taken }) => lessOf(item, taken));
    return merge(parts, await this.inner.peek({ ...charge, items }), nowMs);
  }

  override async spend(charge: Charge): Promise<Decision> {
    if (charge.reservation !== undefined || !charge.items.some(isLeasable)) {
      return await this.inner.spend(charge);
    }
    const nowMs = this.#clock.nowMs();
    const parts = charge.items.map((item) => this.#begin(item, nowMs));
    const rest = parts.filter(({ isCovered }) => !isCovered);
    let decision: Decision | undefined;
    try {
      if (rest.length > 0) decision = await this.#ask(charge, rest);
    } catch (error) {
      for (const { lease, taken } of parts) lease?.decided(taken, false);
      throw error;
    }
    for (const { lease, taken } of parts) lease?.decided(taken, decision?.allowed ?? true);
    return decision === undefined
      ? this.#withoutAsking(parts, nowMs)
      : merge(parts, decision, nowMs);
  }

  /** Gives back what is held, as far as the store can be told; other processes need not wait until it refills. */
  async close(): Promise<void> {
    this.#cancelSweep?.();
    const nowMs = this.#clock.nowMs();
    await Promise.all([...this.#leases.values()].map((lease) => this.#giveBack(lease, nowMs)));
  }

  #begin(item: Item, nowMs: number): Part {
    const lease = this.#leaseOf(item.rule, nowMs);
    if (lease === undefined) return { item, lease, taken: 0, isCovered: false };
    if (lease.hasEnded(nowMs)) void this.#giveBack(lease, nowMs);
    const isCovered = lease.covers(item);
    return { item, lease, taken: lease.take(item.amount, nowMs), isCovered };
  }

  #leaseOf(rule: AppliedRule, nowMs: number): Lease | undefined {
    if (rule.lease === undefined) return undefined;
    const known = this.#leases.get(rule.key);
    if (known !== undefined || this.#leases.size >= watchedMax) return known;
    const lease = new Lease(rule, nowMs);
    this.#leases.set(rule.key, lease);
    this.#cancelSweep ??= this.#clock.at(nowMs + leaseMs, () => this.#sweep());
    return lease;
  }

  /** For what the leases lack, and for units of hot counters in advance where there is room for them, too. */
  async #ask(charge: Charge, parts: readonly Part[]): Promise<Decision> {
    const askedAtMs = this.#clock.nowMs();
    const needed = parts.map(({ item, taken }) => lessOf(item, taken));
    // What is decided while the store is away says nothing about its counters.
    const more = this.inner.isReady() ? parts.map((part) => askMore(part, askedAtMs)) : [];
    if (!more.some((units) => units > 0)) {
      return await this.inner.spend({ ...charge, items: needed });
    }
    const items = needed.map((item, at) => lessOf(item, -(more[at] ?? 0)));
    let granted: readonly ItemState[] = [];
    try {
      const decision = await this.inner.spend({ ...charge, items });
      if (decision.allowed && !decision.isDegraded) granted = decision.states;
      if (decision.allowed) return decision;
    } finally {
      for (const [at, { lease }] of parts.entries()) {
        const state = granted.find(({ item }) => item === items[at]);
        lease?.answered(more[at] ?? 0, state, askedAtMs);
      }
    }
    return await this.inner.spend({ ...charge, items: needed });
  }

  #withoutAsking(parts: readonly Part[], nowMs: number): Decision {
    this.#decisions += 1;
    return merge(parts, { allowed: true, states: [], isDegraded: false }, nowMs);
  }

  async #giveBack(lease: Lease, nowMs: number): Promise<void> {
    const item = lease.end(nowMs);
    if (item === undefined) return;
    try {
      if (!this.inner.isReady()) throw new MeshError("unavailable", "the limits are away");
      await this.inner.giveBack([item]);
    } catch {
      // They come back as the counter refills; meanwhile others may be refused too early.
      this.#unitsLost += item.amount;
    } finally {
      lease.gaveBack();
    }
  }

  #sweep(): void {
    const nowMs = this.#clock.nowMs();
    for (const [key, lease] of this.#leases) {
      if (lease.hasEnded(nowMs)) void this.#giveBack(lease, nowMs);
      else if (lease.isIdle(nowMs)) this.#leases.delete(key);
    }
    const isGoingOn = this.#leases.size > 0;
    this.#cancelSweep = isGoingOn
      ? this.#clock.at(nowMs + leaseMs, () => this.#sweep())
      : undefined;
  }
}

function isLeasable({ rule }: Item): boolean {
  return rule.lease !== undefined;
}

/** By the rule as it is now: its file may have changed since the counter was met first. */
function askMore({ item, lease }: Part, nowMs: number): number {
  return lease?.ask(item.rule.lease ?? 0, nowMs) ?? 0;
}

/** An amount of 0 asks for one unit, and a lease that has one answers itself. */
function lessOf({ rule, amount, isHeld }: Item, units: number): Item {
  return { rule, amount: amount - units, isHeld };
}

/** How all items stand, by what was answered about those that were asked for. What a rule left out is absent. */
function merge(parts: readonly Part[], decision: Decision, nowMs: number): Decision {
  const { allowed, isDegraded } = decision;
  const states = parts.flatMap(({ item, lease, isCovered }) => {
    if (lease !== undefined && isCovered) return [lease.stateOf(item, nowMs)];
    const state = decision.states.find((one) => one.item.rule.key === item.rule.key);
    if (state === undefined) return [];
    return [{ ...state, item, remaining: state.remaining + (lease?.units ?? 0) }];
  });
  return { allowed, states, isDegraded };
}
