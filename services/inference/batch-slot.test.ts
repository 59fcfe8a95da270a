import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../test/support/random.js";
import { createSlot, writeBatch } from "./batch-slot.js";

const size = { batchSequencesMax: 3, batchTokensMax: 12, dimensions: 2 };

test("a slot is shared memory of exactly the largest batch", () => {
  const { ids, tokenCounts, normalize, vectors } = createSlot(size);
  deepEqual([ids.length, tokenCounts.length, normalize.length, vectors.length], [12, 3, 3, 6]);
  for (const { buffer } of [ids, tokenCounts, normalize, vectors]) {
    ok(buffer instanceof SharedArrayBuffer);
  }
});

test("sequences are padded on the right to the longest", () => {
  const slot = createSlot(size);
  const shape = writeBatch(slot, { sequences: [[7], [1, 2, 3]], normalize: [true, false] });
  deepEqual(shape, { sequences: 2, longest: 3 });
  deepEqual([...slot.ids.subarray(0, 6)], [7, 0, 0, 1, 2, 3]);
  deepEqual([...slot.tokenCounts.subarray(0, 2)], [1, 3]);
  deepEqual([...slot.normalize.subarray(0, 2)], [1, 0]);
});

test("nothing of an earlier batch shines through the padding", (t) => {
  const random = seeded(t);
  const slot = createSlot(size);
  for (let round = 0; round < 500; round += 1) {
    const sequences = Array.from({ length: 1 + random.int(3) }, () =>
      Array.from({ length: 1 + random.int(4) }, () => 1 + random.int(30_000)),
    );
    const normalize = sequences.map(() => random.int(2) === 1);
    const { longest } = writeBatch(slot, { sequences, normalize });
    equal(longest, Math.max(...sequences.map(({ length }) => length)));
    for (const [row, ids] of sequences.entries()) {
      const padded = [...ids, ...new Array<number>(longest - ids.length).fill(0)];
      deepEqual([...slot.ids.subarray(row * longest, (row + 1) * longest)], padded);
      equal(slot.tokenCounts[row], ids.length);
      equal(slot.normalize[row], normalize[row] ? 1 : 0);
    }
  }
});
