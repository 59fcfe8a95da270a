/** So many batches in a row have the machine to themselves before one gets all of it. */
const aloneInRowMin = 8;

/**
 * Decides which batches run on all cores. For one text that takes twice the CPU that one core takes, for a third less
 * time, so it is for callers who come one at a time: where they come together, each would keep the next one waiting.
 */
export class WideTurns {
  /** Nobody has come beside another yet. */
  #aloneInRow = aloneInRowMin;

  /** Whether the batch that begins now is one of them; `isAlone` when nothing else runs or waits. */
  next(isAlone: boolean): boolean {
    const isWide = isAlone && this.#aloneInRow >= aloneInRowMin;
    this.#aloneInRow = isAlone ? this.#aloneInRow + 1 : 0;
    return isWide;
  }
}
