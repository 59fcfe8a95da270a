import { equal } from "node:assert/strict";
import { test } from "node:test";
import { areaBetween, axisEnd, lineThrough } from "./scale.js";

test("an axis ends at a round number that holds all values", () => {
  equal(axisEnd([], 1), 1);
  equal(axisEnd([0.4], 1), 1);
  equal(axisEnd([3], 1), 5);
  equal(axisEnd([5.1], 1), 10);
  equal(axisEnd([1_001], 1), 2_000);
  equal(axisEnd([0.03], 0.02), 0.05);
  equal(axisEnd([0.3], 0.1), 0.5);
});

test("a gap ends a line, and a surface", () => {
  equal(lineThrough([[0, 1], [2, 3], undefined, [4, 5]]), "M0 1L2 3M4 5");
  equal(lineThrough([undefined]), "");
  const floor = [0, 1, 2, 3].map((x) => [x, 9] as const);
  equal(areaBetween([[0, 1], [1, 1], undefined, [3, 1]], floor), "M0 1L1 1L1 9L0 9Z");
});
