import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../test/support/random.js";
import { mapOrdered } from "./map-ordered.js";

async function* from<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

test("results come in the order of arrival, never more than the bound in work", async (t) => {
  const random = seeded(t);
  let running = 0;
  let most = 0;
  const work = async (item: number): Promise<number> => {
    running += 1;
    most = Math.max(most, running);
    for (let turns = random.int(5); turns > 0; turns -= 1) await new Promise(setImmediate);
    running -= 1;
    return item * 2;
  };
  const items = Array.from({ length: 300 }, (_, index) => index);
  const results: number[] = [];
  for await (const result of mapOrdered(from(items), 7, work)) results.push(result);
  deepEqual(
    results,
    items.map((item) => item * 2),
  );
  equal(most, 7);
});

test("a caller that waits for each answer before it sends on is answered", async () => {
  let answer = (): void => {};
  async function* polite(): AsyncGenerator<number> {
    for (let item = 0; item < 3; item += 1) {
      const answered = new Promise<void>((resolve) => {
        answer = resolve;
      });
      yield item;
      await answered;
    }
  }
  const results: number[] = [];
  for await (const result of mapOrdered(polite(), 4, async (item) => item)) {
    results.push(result);
    answer();
  }
  deepEqual(results, [0, 1, 2]);
});

test("an empty source has no results", async () => {
  for await (const _ of mapOrdered(from([]), 1, async () => 1)) ok(false);
});
