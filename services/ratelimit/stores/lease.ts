import { type AppliedRule, askedOf, type Item, type ItemState } from "./charge.js";

/** Units are held so long at most, and what is left of them is given back. */
export const leaseMs = 1_000;
/** A counter that is spent of so often within the time of a lease is worth one. */
export const hotSpends = 4;

/**
 * What a process holds of one shared counter: units that were spent there before anybody asked for them, so that who asks
 * is answered here. It holds as many as were used in the time of a lease, and never more than its rule's `lease`, those
 * in undecided charges and on their way back included. Time is any monotonic one.
 */
export class Lease {
  readonly rule: AppliedRule;
  #units = 0;
  /** Units in charges that are not decided yet. */
  #inUse = 0;
  #endsAtMs = 0;
  /** What was left in the shared counter, and when all of it is there again, as of the last answer. */
  #remaining = 0;
  #resetAtMs = 0;
  /** Spends and their units since then, and in the time before. */
  #countedFromMs: number;
  #now = noSpends;
  #before = noSpends;
  /** Infinity while the store is asked about units of it. */
  #asksFromMs = 0;

  constructor(rule: AppliedRule, nowMs: number) {
    this.rule = rule;
    this.#countedFromMs = nowMs;
  }

  /** That can be spent without asking. */
  get units(): number {
    return this.#units;
  }

  /** Whether it has all that is asked for. */
  covers(item: Item): boolean {
    return this.#units >= askedOf(item);
  }

  hasEnded(nowMs: number): boolean {
    return this.#units > 0 && nowMs >= this.#endsAtMs;
  }

  /** Nobody has spent of it for a while, and nothing of it is held. */
  isIdle(nowMs: number): boolean {
    return (
      this.#units + this.#inUse === 0 &&
      this.#asksFromMs <= nowMs &&
      nowMs - this.#countedFromMs >= 2 * leaseMs
    );
  }

  /** Takes units for a spend of `amount` that is not decided yet; how many there were. */
  take(amount: number, nowMs: number): number {
    this.#count(amount, nowMs);
    const taken = Math.min(this.#units, amount);
    this.#units -= taken;
    this.#inUse += taken;
    return taken;
  }

  /** Ends what `take` began: the units are spent, or here again. */
  decided(taken: number, isSpent: boolean): void {
    this.#inUse -= taken;
    if (!isSpent) this.#units += taken;
  }

  /** How many units to ask for beside those that are needed, so that it holds `most`; `answered` must follow. */
  ask(most: number, nowMs: number): number {
    const [now, before] = [this.#now, this.#before];
    if (nowMs < this.#asksFromMs || Math.max(now.count, before.count) < hotSpends) return 0;
    const wanted = Math.min(most, Math.max(now.units, before.units));
    const units = Math.max(0, wanted - this.#units - this.#inUse);
    if (units > 0) this.#asksFromMs = Number.POSITIVE_INFINITY;
    return units;
  }

  /**
   * Units that were asked for at `askedAtMs` are here, where there is a state of the counter. Else there was no room for so
   * many, or no answer, and for a while each decision asks for itself. Units of a fixed window end with it.
   */
  answered(units: number, state: ItemState | undefined, askedAtMs: number): void {
    if (units === 0) return;
    this.#asksFromMs = state === undefined ? askedAtMs + leaseMs : 0;
    if (state === undefined) return;
    this.#units += units;
    this.#remaining = state.remaining;
    this.#resetAtMs = askedAtMs + state.resetMs;
    this.#endsAtMs = askedAtMs + leaseMs;
    if (this.#isOfFixedWindow()) this.#endsAtMs = Math.min(this.#endsAtMs, this.#resetAtMs);
  }

  /** Ends the lease: what is to be given back, until `gaveBack`. Nothing of a fixed window that is over. */
  end(nowMs: number): Item | undefined {
    const amount = this.#units;
    this.#units = 0;
    if (amount === 0 || (this.#isOfFixedWindow() && nowMs >= this.#resetAtMs)) return undefined;
    this.#asksFromMs = Number.POSITIVE_INFINITY;
    return { rule: this.rule, amount, isHeld: false };
  }

  gaveBack(): void {
    this.#asksFromMs = 0;
  }

  /** How the counter stands for whoever spends of the lease. */
  stateOf(item: Item, nowMs: number): ItemState {
    const resetMs = Math.max(0, Math.ceil(this.#resetAtMs - nowMs));
    return { item, remaining: this.#remaining + this.#units, resetMs, retryAfterMs: 0 };
  }

  #count(units: number, nowMs: number): void {
    const passedMs = nowMs - this.#countedFromMs;
    if (passedMs >= leaseMs) {
      this.#before = passedMs < 2 * leaseMs ? this.#now : noSpends;
      this.#now = noSpends;
      this.#countedFromMs = nowMs;
    }
    this.#now = { count: this.#now.count + 1, units: this.#now.units + units };
  }

  #isOfFixedWindow(): boolean {
    return this.rule.quota.algorithm === "fixed_window";
  }
}

const noSpends = { count: 0, units: 0 };
