import { equal } from "node:assert/strict";
import { test } from "node:test";
import { toGoDuration } from "./limit-headers.js";

test("durations are written as Go does", () => {
  const durations = [
    [0, "0s"],
    [20, "20ms"],
    [999, "999ms"],
    [1_000, "1s"],
    [1_500, "1.5s"],
    [59_999, "59.999s"],
    [60_000, "1m0s"],
    [361_250, "6m1.25s"],
    [3_600_000, "1h0m0s"],
    [90_061_007, "25h1m1.007s"],
  ] as const;
  for (const [milliseconds, text] of durations) equal(toGoDuration(milliseconds), text);
});
