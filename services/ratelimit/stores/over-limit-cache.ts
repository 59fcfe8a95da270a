import { askedOf, type Item, type ItemState } from "./charge.js";

/** Refused keys remembered at once, about 200 bytes each; the oldest go first, and cost a call of the store again. */
export const refusalsMax = 100_000;
/**
 * A refusal is believed for so long without asking again, also when it will last longer. Whatever makes room in a way
 * that nobody here can know of (units given back by another process, counters that were deleted in the store or lost
 * with it) is noticed after that time at the latest, and nobody who is refused can cost the store more than that.
 */
export const refusalMsMax = 1_000;

interface Refusal {
  /** The least that is known not to fit. */
  readonly amount: number;
  readonly remaining: number;
  readonly retryAtMs: number;
  readonly resetAtMs: number;
  readonly believedUntilMs: number;
}

/** Keys without room, for as long as it is certain that nothing makes room. Time is any monotonic one. */
export class OverLimitCache {
  readonly #refusals = new Map<string, Refusal>();

  get size(): number {
    return this.#refusals.size;
  }

  /** Of a state that the store was asked for at `askedAtMs`, so that its durations cannot have begun before. */
  remember(state: ItemState, askedAtMs: number): void {
    const { item, remaining, resetMs, retryAfterMs, isFirm } = state;
    // Slots come back when others give them back; what never fits needs no memory.
    const isCertain = isFirm === true && item.rule.quota.algorithm !== "concurrency";
    if (!isCertain || retryAfterMs === undefined || retryAfterMs === 0) return;
    const { key } = item.rule;
    this.#refusals.delete(key);
    if (this.#refusals.size >= refusalsMax) this.#forgetOldest();
    this.#refusals.set(key, {
      amount: askedOf(item),
      remaining,
      retryAtMs: askedAtMs + retryAfterMs,
      resetAtMs: askedAtMs + resetMs,
      // The store counts whole milliseconds, and may have been up to one further than it says.
      believedUntilMs: askedAtMs + Math.min(retryAfterMs - 1, refusalMsMax),
    });
  }

  forget(item: Item): void {
    this.#refusals.delete(item.rule.key);
  }

  /** The item's state if it is certain that there is no room for it, as far as was remembered. */
  find(item: Item, nowMs: number): ItemState | undefined {
    const refusal = this.#refusals.get(item.rule.key);
    if (refusal === undefined) return undefined;
    if (nowMs >= refusal.believedUntilMs) {
      this.forget(item);
      return undefined;
    }
    if (askedOf(item) < refusal.amount) return undefined;
    return {
      item,
      remaining: refusal.remaining,
      resetMs: Math.ceil(refusal.resetAtMs - nowMs),
      retryAfterMs: Math.ceil(refusal.retryAtMs - nowMs),
      isFirm: true,
    };
  }

  #forgetOldest(): void {
    for (const key of this.#refusals.keys()) {
      this.#refusals.delete(key);
      return;
    }
  }
}
