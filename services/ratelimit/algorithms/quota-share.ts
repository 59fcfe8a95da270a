import type { Quota } from "./quota.js";

/**
 * What one of `shares` processes may let through when none of them sees the others. All shares together are at most
 * the quota, unless it has fewer units than there are shares: each keeps one unit, or it would refuse everybody.
 */
export function quotaShare(quota: Quota, shares: number): Quota {
  switch (quota.algorithm) {
    case "token_bucket":
      // A longer window is an exact share of the rate, whatever its numbers are.
      return {
        ...quota,
        burst: unitsShare(quota.burst, shares),
        windowMs: quota.windowMs * shares,
      };
    case "concurrency":
      return { ...quota, slots: unitsShare(quota.slots, shares) };
    default:
      return { ...quota, units: unitsShare(quota.units, shares) };
  }
}

function unitsShare(units: number, shares: number): number {
  return Math.max(1, Math.floor(units / shares));
}
