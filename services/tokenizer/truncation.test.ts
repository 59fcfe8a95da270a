import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { keptLengths, keptRange } from "./truncation.js";

test("the longer text loses first, and keeps the odd token", () => {
  for (const [first, second, room, kept] of [
    [3, 4, 7, [3, 4]],
    [3, 4, 9, [3, 4]],
    [10, 5, 9, [5, 4]],
    [5, 10, 9, [4, 5]],
    [7, 7, 9, [4, 5]],
    [3, 10, 9, [3, 6]],
    [10, 3, 9, [6, 3]],
    [10, 0, 4, [4, 0]],
    [10, 10, 1, [0, 1]],
    [10, 10, 0, [0, 0]],
  ] as const) {
    deepEqual(keptLengths([first, second], room), kept, `${first} and ${second} in ${room}`);
  }
});

test("whatever the lengths, all room is used, and no text that has its half loses anything", () => {
  const upTo = (count: number) => [...Array(count).keys()];
  const pairs = upTo(12).flatMap((first) => upTo(12).map((second) => [first, second] as const));
  for (const [first, second] of pairs) {
    for (const room of upTo(25)) {
      const [a, b] = keptLengths([first, second], room);
      const half = Math.floor(room / 2);
      equal(a + b, Math.min(room, first + second));
      ok(a >= Math.min(first, half) && a <= first);
      ok(b >= Math.min(second, half) && b <= second);
    }
  }
});

test("the side says which end goes", () => {
  deepEqual(keptRange(10, 4, "right"), [0, 4]);
  deepEqual(keptRange(10, 4, "left"), [6, 10]);
  deepEqual(keptRange(3, 3, "left"), [0, 3]);
});
