import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { type Call, median, percentile, summarize } from "./measure.js";

const span = { from: 1_000, until: 3_000 };
const options = { span, textsPerCall: 1, isSteady: false };

function call(dueAt: number, latency: number, status: number): Call {
  return { dueAt, answeredAt: dueAt + latency, status };
}

test("sheds and failures are neither throughput nor latency", () => {
  const calls = [
    call(1_000, 40, 200),
    call(1_000, 1, 429),
    call(1_000, 2, 500),
    call(1_500, 0, 0),
    call(2_000, 40, 200),
  ];
  const { textsPerSecond, latencies, sheds, failures } = summarize(calls, {
    span,
    textsPerCall: 32,
    isSteady: false,
  });
  equal(textsPerSecond, 32);
  deepEqual(latencies, { p50: 40, p95: 40, p99: 40 });
  deepEqual(sheds, { perSecond: 0.5, latencies: { p50: 1, p95: 1, p99: 1 } });
  equal(failures, 2);
});

test("a call counts when it arrives in the span, or by its share in it, and for latency when it was due in it", () => {
  const calls = [
    call(500, 400, 200),
    call(900, 200, 200),
    call(1_100, 300, 200),
    call(2_900, 500, 200),
    call(3_000, 10, 200),
  ];
  const { textsPerSecond, latencies } = summarize(calls, options);
  equal(textsPerSecond, (1 + 1) / 2);
  const steady = summarize(calls, { ...options, isSteady: true });
  equal(steady.textsPerSecond, (0.5 + 1 + 0.2) / 2);
  deepEqual(latencies, { p50: 300, p95: 500, p99: 500 });
});

test("a load without any success has no latency", () => {
  const { textsPerSecond, latencies, failures } = summarize([call(1_000, 5, 503)], options);
  equal(textsPerSecond, 0);
  deepEqual(latencies, { p50: Number.NaN, p95: Number.NaN, p99: Number.NaN });
  equal(failures, 1);
});

test("a percentile is a value that was measured, a median may lie between two", () => {
  equal(percentile([1, 2, 3, 4], 0.5), 2);
  equal(percentile([1, 2, 3, 4], 0.99), 4);
  equal(percentile([7], 0.5), 7);
  equal(median([4, 1, 3, 2]), 2.5);
  equal(median([3, 1, 2]), 2);
});
