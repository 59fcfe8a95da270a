import type { Quota, TokenBucketQuota } from "../algorithms/quota.js";

/** A quota in words, such as `50 per 1s, burst 100`. */
export function describeQuota(quota: Quota): string {
  switch (quota.algorithm) {
    case "concurrency":
      return `${quota.slots} at once`;
    case "token_bucket":
      return `${rateText(quota)}, burst ${quota.burst}`;
    default:
      return `${quota.units} per ${windowText(quota.windowMs)}, ${quota.algorithm.replace("_", " ")}`;
  }
}

const unitsMs: readonly (readonly [name: string, ms: number])[] = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
  ["s", 1_000],
];

/** Buckets are kept in smallest terms: shown is the time that fills one, else the shortest of whole numbers. */
function rateText({ perWindow, windowMs, burst }: TokenBucketQuota): string {
  const rates = [...unitsMs]
    .reverse()
    .map(([name, ms]) => ({ name, units: (perWindow * ms) / windowMs }))
    .filter(({ units }) => Number.isInteger(units));
  const { name, units } = rates.find((rate) => rate.units === burst) ?? rates[0] ?? {};
  return units === undefined ? `${perWindow} per ${windowText(windowMs)}` : `${units} per 1${name}`;
}

function windowText(windowMs: number): string {
  const [name, ms] = unitsMs.find(([, each]) => windowMs % each === 0) ?? (["ms", 1] as const);
  return `${windowMs / ms}${name}`;
}
