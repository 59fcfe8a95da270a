import { equal } from "node:assert/strict";
import { test } from "node:test";
import { Patience } from "./patience.js";

test("without patience, a disturbed measurement stands", async () => {
  let runs = 0;
  const run = async () => {
    runs += 1;
    return { othersShare: 1 };
  };
  await new Patience(0).measure(run);
  equal(runs, 1);
});

test("a measurement of which nobody knows how much it was disturbed is not repeated", async () => {
  let runs = 0;
  const run = async () => {
    runs += 1;
    return { othersShare: Number.NaN };
  };
  await new Patience(1).measure(run);
  equal(runs, 1);
});
