import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { SamplingDecision } from "@opentelemetry/sdk-trace";
import { seeded } from "../../test/support/random.js";
import { RatioSampler } from "./ratio-sampler.js";

const front = "a".repeat(18);

test("the last 56 bits decide: what is below the rejected share is not sampled", () => {
  const cases: readonly (readonly [number, string, boolean])[] = [
    [1, "00000000000000", true],
    [0.5, "7fffffffffffff", false],
    [0.5, "80000000000000", true],
    [0.25, "bfffffffffffff", false],
    [0.25, "c0000000000000", true],
    [2 ** -56, "fffffffffffffe", false],
    [2 ** -56, "ffffffffffffff", true],
    [2 ** -60, "ffffffffffffff", false],
    [0, "ffffffffffffff", false],
  ];
  for (const [ratio, randomness, expected] of cases) {
    equal(samples(ratio, front + randomness), expected, `${ratio} of ${randomness}`);
  }
});

test("the front of an id says nothing: it may be a time", () => {
  for (const digit of "0f") equal(samples(0.5, `${digit.repeat(18)}80000000000000`), true);
});

test("of random ids the share is sampled, and by a larger ratio all that a smaller one samples", (t) => {
  const random = seeded(t);
  const ids = Array.from({ length: 20_000 }, () =>
    Array.from({ length: 32 }, () => random.int(16).toString(16)).join(""),
  );
  let before: readonly string[] = [];
  for (const ratio of [0.001, 0.01, 0.1, 0.5, 0.99]) {
    const sampled = ids.filter((id) => samples(ratio, id));
    // Six standard deviations of a binomial distribution.
    const spread = 6 * Math.sqrt(ids.length * ratio * (1 - ratio));
    ok(Math.abs(sampled.length - ids.length * ratio) < spread, `${ratio}: ${sampled.length}`);
    const all = new Set(sampled);
    ok(before.every((id) => all.has(id)));
    before = sampled;
  }
});

function samples(ratio: number, traceId: string): boolean {
  const { decision } = new RatioSampler(ratio).shouldSample(undefined, traceId);
  return decision === SamplingDecision.RECORD_AND_SAMPLED;
}
