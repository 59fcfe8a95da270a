import { deepEqual, equal, ok } from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { rowOf } from "../../../test/support/inference.js";
import { seeded } from "../../../test/support/random.js";
import type { Row, RowOutput } from "../batching/batch.js";
import {
  createSlot,
  outputCode,
  outputOf,
  post,
  readRow,
  revoke,
  take,
  writeBatch,
} from "./batch-slot.js";

const size = { batchSequencesMax: 3, batchTokensMax: 12, resultsMax: 7 };

test("a slot is shared memory of exactly the largest batch", () => {
  const { ticket, ids, typeIds, tokenCounts, outputs, results, resultEnds } = createSlot(size);
  const parts = [ticket, ids, typeIds, tokenCounts, outputs, results, resultEnds];
  deepEqual(
    parts.map(({ length }) => length),
    [1, 12, 12, 3, 3, 7, 3],
  );
  for (const { buffer } of parts) ok(buffer instanceof SharedArrayBuffer);
});

test("sequences are padded on the right to the longest", () => {
  const slot = createSlot(size);
  const shape = writeBatch(slot, [
    rowOf([7], "unit_vector"),
    { ids: [1, 2, 3], typeIds: [0, 1, 1], output: { head: 2 } },
  ]);
  deepEqual(shape, { sequences: 2, longest: 3 });
  deepEqual([...slot.ids.subarray(0, 6)], [7, 0, 0, 1, 2, 3]);
  deepEqual([...slot.typeIds.subarray(0, 6)], [0, 0, 0, 0, 1, 1]);
  deepEqual([...slot.tokenCounts.subarray(0, 2)], [1, 3]);
  deepEqual(Array.from(slot.outputs.subarray(0, 2), outputOf), ["unit_vector", { head: 2 }]);
});

test("nothing of an earlier batch shines through the padding", (t) => {
  const random = seeded(t);
  const slot = createSlot(size);
  for (let round = 0; round < 500; round += 1) {
    const rows = Array.from({ length: 1 + random.int(3) }, (): Row => {
      const ids = Array.from({ length: 1 + random.int(4) }, () => 1 + random.int(30_000));
      const typeIds = random.int(2) === 0 ? [] : ids.map(() => random.int(2));
      return { ids, typeIds, output: random.pick<RowOutput>(["vector", { head: random.int(9) }]) };
    });
    const { longest } = writeBatch(slot, rows);
    equal(longest, Math.max(...rows.map(({ ids }) => ids.length)));
    for (const [row, { ids, typeIds, output }] of rows.entries()) {
      const padded = (values: readonly number[]) =>
        Array.from({ length: longest }, (_, i) => values[i] ?? 0);
      const part = (values: Int32Array | Uint8Array) => [
        ...values.subarray(row * longest, (row + 1) * longest),
      ];
      deepEqual(part(slot.ids), padded(ids));
      deepEqual(part(slot.typeIds), padded(typeIds));
      equal(slot.tokenCounts[row], ids.length);
      deepEqual(outputOf(slot.outputs[row] as number), output);
    }
  }
});

test("rows of results may differ in length, and may be empty", () => {
  const slot = createSlot(size);
  slot.results.set([1, 2, 3, 4, 5]);
  slot.resultEnds.set([2, 2, 5]);
  deepEqual([...readRow(slot, 0)], [1, 2]);
  deepEqual([...readRow(slot, 1)], []);
  deepEqual([...readRow(slot, 2)], [3, 4, 5]);
});

test("every output has a code of its own, and comes back from it", () => {
  const outputs: RowOutput[] = [
    ...(["vector", "unit_vector", "token_vectors", "logits", "sparse"] as const),
    { head: 0 },
    { head: 1 },
    { head: 999 },
  ];
  deepEqual(outputs.map(outputCode).map(outputOf), outputs);
  equal(new Set(outputs.map(outputCode)).size, outputs.length);
});

test("a batch is taken or taken back, once", () => {
  const slot = createSlot(size);
  post(slot, 1);
  ok(take(slot, 1));
  equal(take(slot, 1), false);
  equal(revoke(slot, 1), false);
  post(slot, 2);
  ok(revoke(slot, 2));
  equal(revoke(slot, 2), false);
  equal(take(slot, 2), false);
});

test("an order of a batch that was taken back does not take the next one in its slot", () => {
  const slot = createSlot(size);
  post(slot, 1);
  ok(revoke(slot, 1));
  post(slot, 2);
  equal(take(slot, 1), false);
  ok(take(slot, 2));
});

test("of a thread that takes and one that takes back, exactly one wins", async (t) => {
  const random = seeded(t);
  const rounds = 2_000;
  const slot = createSlot(size);
  const shared = (length: number) => new Int32Array(new SharedArrayBuffer(4 * length));
  /** The last ticket that was posted, and the last one that the thread is done with. */
  const [posted, done, taken] = [shared(1), shared(1), shared(rounds + 1)];
  const program = `
    const { workerData: { module, slot, posted, done, taken, rounds } } = require("node:worker_threads");
    import(module).then(({ take }) => {
      for (let ticket = 1; ticket <= rounds; ticket += 1) {
        while (Atomics.load(posted, 0) < ticket);
        taken[ticket] = take(slot, ticket) ? 1 : 0;
        Atomics.store(done, 0, ticket);
      }
    });
  `;
  const module = new URL("./batch-slot.js", import.meta.url).href;
  const workerData = { module, slot, posted, done, taken, rounds };
  const thread = new Worker(program, { eval: true, workerData });
  await once(thread, "online");
  const revoked = [false];
  for (let ticket = 1; ticket <= rounds; ticket += 1) {
    post(slot, ticket);
    Atomics.store(posted, 0, ticket);
    for (let wait = random.int(200); wait > 0; wait -= 1) Atomics.load(done, 0);
    revoked.push(revoke(slot, ticket));
    while (Atomics.load(done, 0) < ticket);
  }
  await once(thread, "exit");
  const both = revoked.filter((isRevoked, ticket) => isRevoked === (taken[ticket] === 1)).length;
  // Ticket 0 was never posted.
  equal(both, 1);
  const count = revoked.filter((isRevoked) => isRevoked).length;
  t.diagnostic(`${count} of ${rounds} taken back`);
});
