import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../support/random.js";
import { type Batch, packSorted } from "./batches.js";

const ofLengths = (lengths: readonly number[]): Batch =>
  lengths.map((length) => new Array<number>(length).fill(0));
const lengthsOf = (batches: readonly Batch[]) =>
  batches.map((batch) => batch.map(({ length }) => length));

test("sequences of like length share a batch, within both bounds", () => {
  const batches = packSorted(ofLengths([2, 9, 1, 8, 3]), { sequencesMax: 3, paddedTokensMax: 18 });
  deepEqual(lengthsOf(batches), [
    [9, 8],
    [3, 2, 1],
  ]);
});

test("no batch is over a bound, and every sequence is in one", (t) => {
  const random = seeded(t);
  const sequencesMax = 8;
  const paddedTokensMax = 1_024;
  for (let round = 0; round < 50; round += 1) {
    const lengths = Array.from({ length: 1 + random.int(100) }, () => 4 + random.int(197));
    const packed = lengthsOf(packSorted(ofLengths(lengths), { sequencesMax, paddedTokensMax }));
    deepEqual(
      packed.flat(),
      lengths.toSorted((a, b) => b - a),
    );
    for (const batch of packed) {
      ok(batch.length <= sequencesMax);
      ok((batch[0] ?? 0) * batch.length <= paddedTokensMax);
    }
  }
});
