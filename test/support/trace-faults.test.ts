import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { traceFaults } from "./trace-faults.js";
import { traceSpan } from "./trace-span.js";

const caller = "cafe";
const services = ["arrowmesh-gateway", "arrowmesh-inference"];
const inference = { service: "arrowmesh-inference" };
const whole = [traceSpan("a", caller), traceSpan("b", "a", inference)];
const expected = { callerSpanId: caller, services };

test("a whole trace has no faults", () => {
  deepEqual(traceFaults(whole, expected), []);
  const own = [traceSpan("a"), traceSpan("b", "a", inference)];
  deepEqual(traceFaults(own, { services }), []);
});

test("each way to break a trace is found", () => {
  const gateway = { services: ["arrowmesh-gateway"] };
  for (const [spans, expectation, kinds] of [
    [[], expected, ["missing"]],
    [[traceSpan("a")], expected, ["wrong parent", "missing service"]],
    [[...whole, traceSpan("c", "f00d")], expected, ["orphan", "several roots"]],
    [[traceSpan("a", "f00d")], gateway, ["orphan"]],
    [[...whole, traceSpan("c", caller)], expected, ["several roots"]],
    [[traceSpan("a"), traceSpan("b")], gateway, ["several roots"]],
    [[...whole, traceSpan("c", "c")], expected, ["cycle", "several roots"]],
    [[...whole, traceSpan("b", "a", inference)], expected, ["duplicate"]],
    [[...whole, traceSpan("c", "a", { startUs: 998_999, durationUs: 0 })], expected, ["clock"]],
    [[...whole, traceSpan("c", "a", { durationUs: 2_001 })], expected, ["clock"]],
    [[traceSpan("a", undefined, { durationUs: -1 })], gateway, ["clock"]],
    [[traceSpan("a", undefined, { durationUs: 2 ** 64 })], gateway, ["clock"]],
    [[traceSpan("a", undefined, { warnings: ["skew"] })], gateway, ["warning"]],
  ] as const) {
    const faults = traceFaults(spans, expectation);
    deepEqual(
      faults.map(({ kind }) => kind),
      kinds,
      JSON.stringify(faults),
    );
  }
});

test("what rounding does to times is no fault, nor is Jaeger's word on a caller that is elsewhere", () => {
  const warnings = [`invalid parent span IDs=${caller}; skipping clock skew adjustment`];
  const spans = [
    traceSpan("a", caller, { warnings }),
    traceSpan("b", "a", { ...inference, startUs: 999_900, durationUs: 1_200 }),
  ];
  deepEqual(traceFaults(spans, expected), []);
});
