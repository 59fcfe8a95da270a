import type { HistogramJson } from "./status-json.js";

/** What was counted between two totals; nothing is subtracted where there is no earlier one. */
export function differenceOf(later: HistogramJson, earlier?: HistogramJson): HistogramJson {
  if (earlier === undefined || earlier.counts.length !== later.counts.length) return later;
  return {
    bounds: later.bounds,
    counts: later.counts.map((count, at) => count - (earlier.counts[at] ?? 0)),
    sum: later.sum - earlier.sum,
  };
}

/** All numbers of several histograms together; those of other buckets than the first's are left out. */
export function mergeOf(histograms: readonly HistogramJson[]): HistogramJson {
  const [first, ...others] = histograms.filter(({ counts }) => counts.length > 0);
  if (first === undefined) return { bounds: [], counts: [], sum: 0 };
  const same = others.filter(({ bounds }) => bounds.join() === first.bounds.join());
  return {
    bounds: first.bounds,
    counts: first.counts.map((count, at) =>
      same.reduce((sum, { counts }) => sum + (counts[at] ?? 0), count),
    ),
    sum: same.reduce((sum, other) => sum + other.sum, first.sum),
  };
}

export function countOf({ counts }: HistogramJson): number {
  return counts.reduce((sum, count) => sum + count, 0);
}

/** Undefined when nothing was counted. */
export function meanOf(histogram: HistogramJson): number | undefined {
  const count = countOf(histogram);
  return count === 0 ? undefined : histogram.sum / count;
}

/**
 * The number below which this share of all lies, taken to lie evenly within a bucket; what is over all bounds counts
 * as the last of them. Undefined when nothing was counted.
 */
export function quantileOf(histogram: HistogramJson, share: number): number | undefined {
  const { bounds, counts } = histogram;
  const wanted = countOf(histogram) * share;
  if (wanted === 0) return undefined;
  let before = 0;
  for (const [at, upper] of bounds.entries()) {
    const count = counts[at] ?? 0;
    const lower = bounds[at - 1] ?? 0;
    if (before + count >= wanted) return lower + ((upper - lower) * (wanted - before)) / count;
    before += count;
  }
  return bounds.at(-1);
}
