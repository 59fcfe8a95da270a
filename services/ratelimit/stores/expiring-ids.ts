/** Remembered at once; the oldest go first. About a hundred bytes each. */
export const idsRememberedMax = 100_000;

/** Ids that mean something until their time is over, bounded. */
export class ExpiringIds {
  /** Each with the time when it may be forgotten; those that came first are first. */
  readonly #dueAtMs = new Map<string, number>();

  get size(): number {
    return this.#dueAtMs.size;
  }

  add(id: string, times: { readonly nowMs: number; readonly dueAtMs: number }): void {
    this.#dueAtMs.delete(id);
    this.#dueAtMs.set(id, times.dueAtMs);
    for (const [oldest, dueAtMs] of this.#dueAtMs) {
      if (dueAtMs > times.nowMs && this.size <= idsRememberedMax) return;
      this.#dueAtMs.delete(oldest);
    }
  }

  /** Whether it was remembered. */
  delete(id: string): boolean {
    return this.#dueAtMs.delete(id);
  }
}
