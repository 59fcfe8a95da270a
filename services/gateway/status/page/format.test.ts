import { equal } from "node:assert/strict";
import { test } from "node:test";
import { format, formatAge, formatBytes } from "./format.js";

test("numbers have three digits and their unit", () => {
  equal(format(0, "perSecond"), "0/s");
  equal(format(0.0001, "perSecond"), "0/s");
  equal(format(1234.5, "perSecond"), "1,230/s");
  equal(format(2_345_678, "count"), "2.35M");
  equal(format(0.1234, "share"), "12.3 %");
  equal(format(12.345, "milliseconds"), "12.3 ms");
  equal(format(999.7, "milliseconds"), "1 s");
  equal(format(2_500, "milliseconds"), "2.5 s");
  equal(format(undefined, "share"), "–");
});

test("ages and bytes are told in the units people use", () => {
  equal(formatAge(42_900), "42 s");
  equal(formatAge(300), "0 s");
  equal(formatAge(125_000), "2 min 5 s");
  equal(formatAge(300_000), "5 min");
  equal(formatAge(7_260_000), "2 h 1 min");
  equal(formatAge(90_000_000), "1 d 1 h");
  equal(formatBytes(231_400_000), "231 MB");
  equal(formatBytes(1_500_000_000), "1.5 GB");
  equal(formatBytes(undefined), "–");
});
