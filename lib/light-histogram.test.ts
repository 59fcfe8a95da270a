import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { Histogram, Registry } from "prom-client";
import { seeded } from "../test/support/random.js";
import { FakeClock } from "./fake-clock.js";
import { LightHistogram } from "./light-histogram.js";
import type { Sample } from "./metrics/register.js";

test("it is scraped like prom-client's own, whatever was observed", async (t) => {
  const { int, pick } = seeded(t);
  const [light, own] = [new Registry(), new Registry()];
  const options = { name: "seconds", help: "How long.", buckets: [0.001, 0.5, 1, 10] };
  const histogram = new LightHistogram({
    ...options,
    registry: light,
    clock: new FakeClock(),
  });
  const reference = new Histogram({
    ...options,
    labelNames: ["method", "status"],
    registers: [own],
  });
  const labels = [
    { method: "a", status: "ok" },
    { method: 'b"\\\n', status: "failed" },
  ];
  const series = labels.map((each) => histogram.series(each));
  // The reference makes a series when it is first used; these have all been used.
  for (let i = 0; i < 200; i += 1) {
    const at = i < labels.length ? i : int(labels.length);
    const value = pick([0, 0.001, 0.0011, 1, 10, 11, int(1_000_000) / 1_000]);
    series[at]?.observe(value);
    reference.observe(labels[at] ?? {}, value);
  }
  equal(await light.metrics(), await own.metrics());
});

test("without labels it has one series", async () => {
  const registry = new Registry();
  const histogram = new LightHistogram({
    name: "tokens",
    help: "Tokens.",
    buckets: [1, 2],
    registry,
    clock: new FakeClock(),
  });
  const series = histogram.series();
  series.observe(1);
  series.observeTimes(2.5, 2);
  const text = await registry.metrics();
  equal(
    text.includes(
      'tokens_bucket{le="2"} 1\ntokens_bucket{le="+Inf"} 3\ntokens_sum 6\ntokens_count 3\n',
    ),
    true,
  );
});

test("each bucket remembers the latest trace that somebody can look at", async () => {
  const registry = new Registry();
  const clock = new FakeClock();
  const options = { name: "seconds", help: "How long.", buckets: [1, 2], registry, clock };
  const series = new LightHistogram(options).series();
  series.observe(0.5, "first");
  await clock.moveTo(1_500);
  series.observe(0.7, "second");
  series.observe(0.6);
  series.observe(9, "over");
  const [family] = await registry.getMetricsAsJSON();
  deepEqual(
    ((family?.values ?? []) as readonly Sample[]).map(({ exemplar }) => exemplar),
    [
      { labelSet: { trace_id: "second" }, value: 0.7, timestamp: 1.5 },
      undefined,
      { labelSet: { trace_id: "over" }, value: 9, timestamp: 1.5 },
      undefined,
      undefined,
    ],
  );
});
