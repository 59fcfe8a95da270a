import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../test/support/random.js";
import { EncodingCache } from "./encoding-cache.js";
import type { TokenRow } from "./token-row.js";

/** A row that says whose it is. */
function rowOf(tokenizer: number, text: string, isPlaced: boolean): TokenRow {
  const ids = [tokenizer, ...[...text].map((character) => character.codePointAt(0) ?? 0)];
  const places = { tokens: [text], starts: ids, ends: ids };
  return { ids, places: isPlaced ? places : undefined };
}

function createCache(bytesMax: number) {
  const counts = { hits: 0, misses: 0 };
  const cache = new EncodingCache(bytesMax, {
    hit: () => {
      counts.hits += 1;
    },
    missed: () => {
      counts.misses += 1;
    },
  });
  return { cache, counts };
}

test("an encoding never belongs to another text or tokenizer, and bytes stay within the bound", (t) => {
  const bytesMax = 20_000;
  const { cache, counts } = createCache(bytesMax);
  const random = seeded(t);
  for (let round = 0; round < 20_000; round += 1) {
    const tokenizer = random.int(12);
    const text = Array.from({ length: random.int(4) }, () => random.pick([..."ab1\n "])).join("");
    const isPlaced = random.pick([true, false]);
    const remembered = cache.get(tokenizer, text, isPlaced);
    if (remembered === undefined) {
      cache.set(tokenizer, text, rowOf(tokenizer, text, isPlaced));
      continue;
    }
    deepEqual(remembered.ids, rowOf(tokenizer, text, false).ids);
    if (isPlaced) deepEqual(remembered.places, rowOf(tokenizer, text, true).places);
    ok(cache.bytes <= bytesMax);
  }
  ok(counts.hits > 100 && counts.misses > 100);
});

test("a row without places is not enough for who needs them; one with places is for all", () => {
  const { cache, counts } = createCache(10_000);
  cache.set(1, "a", rowOf(1, "a", false));
  equal(cache.get(1, "a", true), undefined);
  ok(cache.get(1, "a", false));
  cache.set(1, "a", rowOf(1, "a", true));
  ok(cache.get(1, "a", true));
  ok(cache.get(1, "a", false));
  deepEqual(counts, { hits: 3, misses: 1 });
});

test("one row gets a sixteenth of the bytes at most, and with none nothing is remembered", () => {
  const { cache } = createCache(16_000);
  const long = "a".repeat(1_000);
  cache.set(1, long, rowOf(1, long, false));
  equal(cache.get(1, long, false), undefined);
  const { cache: none, counts } = createCache(0);
  none.set(1, "a", rowOf(1, "a", true));
  equal(none.get(1, "a", false), undefined);
  equal(none.bytes, 0);
  deepEqual(counts, { hits: 0, misses: 0 });
});
