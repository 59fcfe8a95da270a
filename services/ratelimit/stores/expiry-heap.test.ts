import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import { type Expiring, ExpiryHeap } from "./expiry-heap.js";

test("what ends first is first, whatever is added and taken out", (t) => {
  const random = seeded(t);
  for (let round = 0; round < 200; round += 1) {
    const heap = new ExpiryHeap<Expiring>();
    const members: Expiring[] = [];
    for (let step = 0; step < 100; step += 1) {
      change(heap, members, random);
      equal(heap.size, members.length);
      equal(heap.first?.dueAtMs, members.length === 0 ? undefined : earliestOf(members));
    }
  }
});

test("a cleared heap is empty and can be used again", () => {
  const heap = new ExpiryHeap<Expiring>();
  for (const dueAtMs of [3, 1, 2]) heap.add({ dueAtMs, heapIndex: 0 });
  heap.clear();
  deepEqual([heap.size, heap.first], [0, undefined]);
  heap.add({ dueAtMs: 5, heapIndex: 0 });
  equal(heap.first?.dueAtMs, 5);
});

/** Adds a member, or takes out the first or any other. */
function change(
  heap: ExpiryHeap<Expiring>,
  members: Expiring[],
  { int, pick }: ReturnType<typeof seeded>,
): void {
  const first = heap.first;
  if (first === undefined || int(5) > 1) {
    const added = { dueAtMs: int(50), heapIndex: 0 };
    members.push(added);
    heap.add(added);
    return;
  }
  const removed = int(3) === 0 ? first : pick(members);
  members.splice(members.indexOf(removed), 1);
  heap.remove(removed);
}

function earliestOf(members: readonly Expiring[]): number {
  return Math.min(...members.map(({ dueAtMs }) => dueAtMs));
}
