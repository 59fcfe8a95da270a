import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../../../test/support/random.js";
import { differenceOf, meanOf, mergeOf, quantileOf } from "./histogram.js";

const bounds = [1, 2, 4, 8];

function histogramOf(values: readonly number[]) {
  const counts = [...bounds, 0].map(() => 0);
  for (const value of values) {
    const found = bounds.findIndex((bound) => value <= bound);
    const at = found < 0 ? bounds.length : found;
    counts[at] = (counts[at] ?? 0) + 1;
  }
  return { bounds, counts, sum: values.reduce((sum, value) => sum + value, 0) };
}

test("a quantile lies in the bucket of the number that it estimates", (t) => {
  const { int } = seeded(t);
  const random = () => int(1_000_000) / 1_000_000;
  for (let round = 0; round < 500; round += 1) {
    const count = 1 + Math.floor(random() * 50);
    const values = Array.from({ length: count }, () => random() * 8).sort((a, b) => a - b);
    const share = Math.max(0.01, random());
    const exact = values[Math.ceil(share * count) - 1] ?? 0;
    const estimate = quantileOf(histogramOf(values), share) ?? -1;
    const upper = bounds.find((bound) => exact <= bound) ?? 8;
    const lower = bounds[bounds.indexOf(upper) - 1] ?? 0;
    ok(estimate >= lower && estimate <= upper, `${estimate} is not in ${lower}..${upper}`);
  }
});

test("within a bucket, numbers count as spread evenly", () => {
  equal(quantileOf({ bounds, counts: [0, 10, 0, 0, 0], sum: 0 }, 0.5), 1.5);
  equal(quantileOf({ bounds, counts: [10, 0, 10, 0, 0], sum: 0 }, 0.75), 3);
});

test("what is over all bounds counts as the last of them, and nothing as nothing", () => {
  equal(quantileOf(histogramOf([100, 200]), 0.5), 8);
  equal(quantileOf(histogramOf([]), 0.5), undefined);
  equal(meanOf(histogramOf([])), undefined);
  equal(quantileOf({ bounds: [], counts: [], sum: 0 }, 0.5), undefined);
});

test("a difference is what was counted in between", () => {
  const earlier = histogramOf([1, 3]);
  const later = histogramOf([1, 3, 3, 9]);
  deepEqual(differenceOf(later, earlier), { bounds, counts: [0, 0, 1, 0, 1], sum: 12 });
  deepEqual(differenceOf(later), later);
  equal(meanOf(differenceOf(later, earlier)), 6);
});

test("histograms of one kind are added up, empty ones included", () => {
  const empty = { bounds: [], counts: [], sum: 0 };
  deepEqual(mergeOf([empty, histogramOf([1]), histogramOf([1, 9])]), histogramOf([1, 1, 9]));
  deepEqual(mergeOf([]), empty);
});
