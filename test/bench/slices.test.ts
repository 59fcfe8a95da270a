import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { costOf, type Slice } from "./slices.js";

test("tracing that takes a tenth is found though the machine becomes three times as slow meanwhile", () => {
  const slices: Slice[] = Array.from({ length: 41 }, (_, index) => {
    const isTraced = index % 2 === 1;
    const speed = 1 / (1 + index / 20);
    const cost = isTraced ? 1.1 : 1;
    const requests = (1_000 * speed) / cost;
    return { isTraced, requests, seconds: 0.5, cpuSeconds: 0.5 };
  });
  const { throughput, cpu, cpuSecondsMore, requestsPerSecond } = costOf(slices);
  ok(Math.abs(throughput.median - 1 / 1.1) < 0.005, `${throughput.median}`);
  ok(Math.abs(cpu.median - 1.1) < 0.005, `${cpu.median}`);
  ok(throughput.error < 0.005);
  ok(cpuSecondsMore > 0.00005 && cpuSecondsMore < 0.00015, `${cpuSecondsMore}`);
  ok(requestsPerSecond > 600 && requestsPerSecond < 2_000);
});

test("slices that were cut do not count", () => {
  const slice = { isTraced: false, requests: 100, seconds: 1, cpuSeconds: 1 };
  const cut = { ...slice, requests: 1 };
  const { throughput } = costOf([cut, slice, { ...slice, isTraced: true }, slice, cut]);
  equal(throughput.median, 1);
});
