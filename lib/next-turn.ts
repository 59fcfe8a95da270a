let turn: Promise<void> | undefined;

/**
 * Resolves when all that has arrived by now is read. Calls that wait here go on together, each step of one after the same
 * step of the others, so that the code of a step is in the CPU's caches for all of them but the first.
 */
export function nextTurn(): Promise<void> {
  turn ??= new Promise((resolve) => {
    setImmediate(() => {
      turn = undefined;
      resolve();
    });
  });
  return turn;
}
