import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { measure } from "./measure.js";

test("failed calls are neither throughput nor latency", async () => {
  const call = async (): Promise<void> => {
    await setImmediate();
    throw new Error("refused");
  };
  const options = { name: "failing", concurrency: 2, seconds: 0.05, textsPerCall: 1, call };
  const { textsPerSecond, p50, failures } = await measure(options);
  equal(textsPerSecond, 0);
  ok(Number.isNaN(p50));
  ok(failures > 0);
});
