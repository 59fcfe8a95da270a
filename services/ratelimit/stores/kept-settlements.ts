import type { Settlement } from "./charge.js";

/** Settlements that wait for the shared store; a hundred bytes each. */
export const settlementsKeptMax = 100_000;
/** For so long each; reservations end by themselves after ten minutes at most, and only leases may live longer. */
export const settlementKeptMsMax = 600_000;
/** Told to the shared store in one call. */
const batchMax = 256;

/** What could not be settled, oldest first, until it can be. Settling twice does nothing, so trying again is safe. */
export class KeptSettlements {
  /** Each with the time since when it is kept. */
  readonly #kept = new Map<Settlement, number>();
  #dropped = 0;

  get size(): number {
    return this.#kept.size;
  }

  /** Those that were given up: their reservations end by themselves. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Whether there was room for all of them; else none is kept. */
  add(settlements: readonly Settlement[], nowMs: number): boolean {
    this.#dropOld(nowMs);
    if (this.#kept.size + settlements.length > settlementsKeptMax) return false;
    for (const settlement of settlements) this.#kept.set(settlement, nowMs);
    return true;
  }

  /** The oldest ones, which stay until they are settled or dropped. */
  batch(nowMs: number): readonly Settlement[] {
    this.#dropOld(nowMs);
    const batch: Settlement[] = [];
    for (const settlement of this.#kept.keys()) {
      if (batch.length === batchMax) break;
      batch.push(settlement);
    }
    return batch;
  }

  settled(batch: readonly Settlement[]): void {
    for (const settlement of batch) this.#kept.delete(settlement);
  }

  drop(batch: readonly Settlement[]): void {
    for (const settlement of batch) if (this.#kept.delete(settlement)) this.#dropped += 1;
  }

  #dropOld(nowMs: number): void {
    for (const [settlement, sinceMs] of this.#kept) {
      if (nowMs - sinceMs <= settlementKeptMsMax) return;
      this.drop([settlement]);
    }
  }
}
