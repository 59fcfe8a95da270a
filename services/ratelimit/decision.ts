import { type Bucket, remainingOf, resetMs, spend, waitMs } from "./gcra.js";

/** One limit as it applies to one caller. */
export interface AppliedRule {
  readonly name: string;
  /** Names the counter; callers with the same key share it. */
  readonly key: string;
  readonly bucket: Bucket;
}

/** An amount that is charged to every one of some rules, or to none. Their keys differ. */
export interface Charge {
  readonly rules: readonly AppliedRule[];
  readonly amount: number;
}

/** Where one rule stands after a decision. */
export interface RuleState {
  readonly rule: AppliedRule;
  readonly remaining: number;
  /** Until the bucket is full again. */
  readonly resetMs: number;
  /** Until the amount would be allowed: 0 now, undefined never. */
  readonly retryAfterMs: number | undefined;
}

export interface Decision {
  readonly allowed: boolean;
  readonly states: readonly RuleState[];
}

/** All or nothing: allowed when every rule has room, given the debt of each before it. */
export function decide({ rules, amount }: Charge, debts: readonly number[]): Decision {
  const before = rules.map((rule, index) => {
    const debt = debts[index] ?? 0;
    return { rule, debt, retryAfterMs: waitMs(rule.bucket, debt, amount) };
  });
  const allowed = before.every(({ retryAfterMs }) => retryAfterMs === 0);
  const states = before.map(({ rule, debt, retryAfterMs }) => {
    const after = allowed ? spend(rule.bucket, debt, amount) : debt;
    const remaining = remainingOf(rule.bucket, after);
    return { rule, remaining, resetMs: resetMs(rule.bucket, after), retryAfterMs };
  });
  return { allowed, states };
}
