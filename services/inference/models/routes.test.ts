import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { mulberry32, seeded } from "../../../test/support/random.js";
import { pickRoute } from "./routes.js";

function routesOf(weights: Readonly<Record<string, number>>) {
  return Object.entries(weights).map(([version, weight]) => ({
    version,
    weight,
    label: undefined,
  }));
}

test("without routes there is no version", () => {
  equal(
    pickRoute([], () => 0.5),
    "",
  );
});

test("the only route gets everything", () => {
  for (const random of [0, 0.5, 1 - 2 ** -53]) {
    equal(
      pickRoute(routesOf({ 7: 1 }), () => random),
      "7",
    );
  }
});

test("versions get what is between their bounds", () => {
  const routes = routesOf({ 1: 1, 2: 2, 3: 1 });
  const expected = [
    [0, "1"],
    [0.249, "1"],
    [0.25, "2"],
    [0.749, "2"],
    [0.75, "3"],
    [1 - 2 ** -53, "3"],
  ] as const;
  for (const [random, version] of expected)
    equal(
      pickRoute(routes, () => random),
      version,
    );
});

test("a version of no weight gets nothing, wherever it stands", (t) => {
  const random = seeded(t);
  const routes = routesOf({ 1: 0, 2: 3, 3: 0, 4: 1, 5: 0 });
  const edges = [0, 0.75, 1 - 2 ** -53];
  for (let i = 0; i < 2_000; i += 1) {
    const at = edges[i] ?? random.int(2 ** 30) / 2 ** 30;
    ok(["2", "4"].includes(pickRoute(routes, () => at)));
  }
});

test("the last bit of chance never falls off the end, whatever the weights", (t) => {
  const random = seeded(t);
  for (let i = 0; i < 2_000; i += 1) {
    const [a, b] = [1 + random.int(1_000_000), 1 + random.int(1_000_000)];
    const routes = routesOf({ 1: a, 2: b, 3: 0 });
    equal(
      pickRoute(routes, () => 1 - 2 ** -53),
      "2",
    );
  }
});

test("shares are those of the weights", (t) => {
  const seed = seeded(t).int(2 ** 31);
  const random = mulberry32(seed);
  const weights = { 1: 90, 2: 9, 3: 1, 4: 0 };
  const counts = new Map<string, number>();
  const count = 50_000;
  for (let i = 0; i < count; i += 1) {
    const version = pickRoute(routesOf(weights), random);
    counts.set(version, (counts.get(version) ?? 0) + 1);
  }
  for (const [version, weight] of Object.entries(weights)) {
    const share = weight / 100;
    const expected = count * share;
    // Six standard deviations of a binomial distribution: one run of 500 million is wrong.
    const away = 6 * Math.sqrt(count * share * (1 - share));
    const got = counts.get(version) ?? 0;
    ok(Math.abs(got - expected) <= away, `version ${version}: ${got} instead of ${expected}`);
  }
});
