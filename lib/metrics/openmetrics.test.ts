import { equal } from "node:assert/strict";
import { test } from "node:test";
import { writeOpenMetrics } from "./openmetrics.js";
import type { Family, Sample } from "./register.js";

const described = { help: "Help." };

function linesOf(family: Omit<Family, "help">): readonly string[] {
  const lines = writeOpenMetrics([{ ...described, ...family }]).split("\n");
  equal(lines.at(-2), "# EOF");
  equal(lines.at(-1), "");
  return lines.slice(0, -2);
}

function labelled(labels: Sample["labels"], value = 1): Sample {
  return { labels, value };
}

test("a counter is a family without `_total`, and its samples have it", () => {
  const values = [labelled({ status: "ok" })];
  equal(
    linesOf({ name: "calls_total", type: "counter", values }).join("\n"),
    '# TYPE calls counter\n# HELP calls Help.\ncalls_total{status="ok"} 1',
  );
});

test("a counter of another name keeps it, as a metric of unknown type", () => {
  equal(
    linesOf({ name: "te_embed_count", type: "counter", values: [labelled({})] }).join("\n"),
    "# TYPE te_embed_count unknown\n# HELP te_embed_count Help.\nte_embed_count 1",
  );
});

test("a bucket shows its exemplar, with the time in seconds", () => {
  const exemplar = { labelSet: { trace_id: "abc" }, value: 0.25, timestamp: 1_700_000_000.1239 };
  const values = [{ metricName: "s_bucket", labels: { le: 0.5 }, value: 2, exemplar }];
  equal(
    linesOf({ name: "s", type: "histogram", values }).at(-1),
    's_bucket{le="0.5"} 2 # {trace_id="abc"} 0.25 1700000000.124',
  );
});

test("a histogram of prom-client has null where it has no exemplar", () => {
  const values = [{ metricName: "s_count", labels: {}, value: 2, exemplar: null }];
  equal(linesOf({ name: "s", type: "histogram", values }).at(-1), "s_count 2");
});

test("bounds are written as Go writes them", () => {
  for (const [bound, text] of [
    [1, "1.0"],
    [10, "10.0"],
    [0.0001, "0.0001"],
    [0.00001, "1e-05"],
    [0.000022500000000000005, "2.2500000000000005e-05"],
    [1_000_000, "1e+06"],
    [1_048_576, "1.048576e+06"],
    [131_072, "131072.0"],
    [2.5, "2.5"],
    [0, "0.0"],
    ["+Inf", "+Inf"],
  ] as const) {
    const values = [{ metricName: "s_bucket", labels: { le: bound }, value: 0 }];
    equal(linesOf({ name: "s", type: "histogram", values }).at(-1), `s_bucket{le="${text}"} 0`);
  }
});

test("whatever text labels and help hold, it cannot break out of its line", () => {
  const hostile = 'a"b\\c\nd';
  const lines = writeOpenMetrics([
    { name: "g", type: "gauge", help: hostile, values: [labelled({ model: hostile })] },
  ]).split("\n");
  equal(lines[1], '# HELP g a\\"b\\\\c\\nd');
  equal(lines[2], 'g{model="a\\"b\\\\c\\nd"} 1');
});

test("values that are no numbers have their names", () => {
  const numbers = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  const values = numbers.map((value) => labelled({}, value));
  equal(linesOf({ name: "g", type: "gauge", values }).slice(2).join(), "g NaN,g +Inf,g -Inf");
});
