import type { Clock } from "../../../lib/clock.js";

/** What was waited for has not come in time. */
export const late = Symbol("late");

/** A timer that is later than this shows that the process was too busy to hear answers. */
const punctualMsMax = 2;
/** Budgets that a busy process waits at the most. */
const budgetsMax = 5;

/**
 * What `work` comes to within `budgetMs`, else `late`: the work goes on then, and nobody hears of its end. The budget is
 * for the other side: one that ends late, because this process was busy, is given again, up to five in all.
 */
export function withinBudget<T>(
  work: Promise<T>,
  budgetMs: number,
  clock: Clock,
): Promise<T | typeof late> {
  return new Promise((resolve, reject) => {
    let cancel = (): void => {};
    const wait = (budgetsLeft: number): void => {
      const dueAtMs = clock.nowMs() + budgetMs;
      cancel = clock.at(dueAtMs, () => {
        const isBusy = clock.nowMs() - dueAtMs > punctualMsMax;
        if (isBusy && budgetsLeft > 1) wait(budgetsLeft - 1);
        // Timers come before the answers of the same turn: those have one more.
        else cancel = clock.at(clock.nowMs() + 1, () => resolve(late));
      });
    };
    wait(budgetsMax);
    work.then(
      (value) => {
        cancel();
        resolve(value);
      },
      (thrown: unknown) => {
        cancel();
        reject(thrown);
      },
    );
  });
}
