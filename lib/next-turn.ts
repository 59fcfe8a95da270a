let turn: Promise<void> | undefined;

/**
 * Resolves when all that has arrived by now is read. Calls that wait here go on together, each step of one after the same
 * step of the others, which takes less CPU time than one call after another: ARCHITECTURE.md says how much.
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
