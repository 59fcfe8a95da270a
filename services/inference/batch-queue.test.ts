import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../test/support/random.js";
import { type BatchLimits, BatchQueue } from "./batch-queue.js";

const limits: BatchLimits = { batchSequencesMax: 4, batchTokensMax: 100, queueMax: 6 };

function queueOf(...tokenCounts: number[]): BatchQueue<{ tokenCount: number }> {
  const queue = new BatchQueue<{ tokenCount: number }>(limits);
  queue.offer(tokenCounts.map((tokenCount) => ({ tokenCount })));
  return queue;
}

function lengths(batch: readonly { tokenCount: number }[]): number[] {
  return batch.map(({ tokenCount }) => tokenCount);
}

test("nothing waits, nothing runs", () => {
  deepEqual(queueOf().take(2), []);
});

test("without an idle worker nothing is taken", () => {
  deepEqual(queueOf(10).take(0), []);
});

test("a lone sequence runs at once", () => {
  deepEqual(lengths(queueOf(10).take(2)), [10]);
});

test("what waits is split over the idle workers", () => {
  const queue = queueOf(10, 10, 10, 10);
  equal(queue.take(2).length, 2);
  equal(queue.take(1).length, 2);
});

test("padding counts: one long text does not fit beside others", () => {
  const queue = queueOf(10, 60, 10);
  deepEqual(lengths(queue.take(1)), [10, 10]);
  deepEqual(lengths(queue.take(1)), [60]);
});

test("the oldest always goes, with those of nearest length", () => {
  const queue = queueOf(20, 5, 6, 21, 24, 19);
  deepEqual(lengths(queue.take(1)), [20, 21, 19, 24]);
  deepEqual(lengths(queue.take(1)), [5, 6]);
});

test("a call is admitted whole, and the next one refused when the queue is full", () => {
  const queue = queueOf(1, 1, 1, 1, 1);
  const call = Array.from({ length: 5 }, () => ({ tokenCount: 1 }));
  ok(queue.offer(call));
  equal(queue.length, 10);
  equal(queue.offer(call), false);
  equal(queue.length, 10);
});

test("removed sequences never run; a lost batch runs first again", () => {
  const queue = queueOf(1, 2, 3);
  queue.remove(({ tokenCount }) => tokenCount === 2);
  const batch = queue.take(1);
  deepEqual(lengths(batch), [1, 3]);
  queue.offer([{ tokenCount: 9 }]);
  queue.putBack(batch);
  equal(queue.take(3)[0]?.tokenCount, 1);
});

test("whatever comes, batches keep the limits, and nothing is lost, doubled or overtaken for ever", (t) => {
  const random = seeded(t);
  for (let round = 0; round < 200; round += 1) {
    const checked = new CheckedQueue();
    for (let step = 0; step < 60; step += 1) {
      if (random.int(2) === 0) {
        checked.offer(Array.from({ length: random.int(4) }, () => 1 + random.int(100)));
      } else {
        checked.take(1 + random.int(3));
      }
    }
  }
});

/** A queue beside the list of what should wait in it. */
class CheckedQueue {
  readonly #queue = new BatchQueue<{ tokenCount: number; id: number }>(limits);
  readonly #waiting: number[] = [];
  #nextId = 0;

  offer(tokenCounts: readonly number[]): void {
    const items = tokenCounts.map((tokenCount) => ({ tokenCount, id: this.#nextId++ }));
    const hasRoom = this.#waiting.length < limits.queueMax;
    equal(this.#queue.offer(items), hasRoom);
    if (hasRoom) this.#waiting.push(...items.map(({ id }) => id));
    equal(this.#queue.length, this.#waiting.length);
  }

  take(idleWorkers: number): void {
    const batch = this.#queue.take(idleWorkers);
    equal(batch[0]?.id, this.#waiting[0]);
    ok(batch.length <= limits.batchSequencesMax);
    ok(Math.max(0, ...lengths(batch)) * batch.length <= limits.batchTokensMax);
    for (const { id } of batch) {
      const at = this.#waiting.indexOf(id);
      ok(at >= 0);
      this.#waiting.splice(at, 1);
    }
    equal(this.#queue.length, this.#waiting.length);
  }
}
