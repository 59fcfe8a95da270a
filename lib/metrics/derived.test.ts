import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { FakeClock } from "../fake-clock.js";
import { LightHistogram } from "../light-histogram.js";
import { registerDerived, renameHistogram } from "./derived.js";
import { registerNumbers } from "./register.js";

test("samples that come to have the same labels are added up, and some are left out", async () => {
  const registry = new Registry();
  const counts = { ok: 3, invalid: 2, malformed: 4, secret: 9 };
  const label = "status";
  registerNumbers(registry, { name: "a", help: "A.", type: "counter", label, read: () => counts });
  registerDerived(registry, {
    ...{ name: "b", help: "B.", type: "counter", from: "a" },
    map({ labels: { status }, value }) {
      if (status === "secret") return undefined;
      return { labels: { code: status === "ok" ? 200 : 400 }, value };
    },
  });
  const read = async () => (await registry.getSingleMetric("b")?.get())?.values;
  deepEqual(await read(), [
    { labels: { code: 200 }, value: 3 },
    { labels: { code: 400 }, value: 6 },
  ]);
  counts.invalid += 1;
  deepEqual((await read())?.[1]?.value, 7);
});

test("a histogram by model becomes one of all models, bucket by bucket", async () => {
  const registry = new Registry();
  const options = { name: "a", help: "A.", buckets: [1, 2], registry, clock: new FakeClock() };
  const histogram = new LightHistogram(options);
  histogram.series({ model: "x" }).observe(1);
  histogram.series({ model: "y" }).observeTimes(5, 2);
  const map = renameHistogram("a", "b", () => ({}));
  registerDerived(registry, { name: "b", help: "B.", type: "histogram", from: "a", map });
  const text = await registry.getSingleMetricAsString("b");
  deepEqual(text.split("\n").slice(2), [
    'b_bucket{le="1"} 1',
    'b_bucket{le="2"} 1',
    'b_bucket{le="+Inf"} 3',
    "b_sum 11",
    "b_count 3",
  ]);
});

test("of a metric that is not there, nothing is known", async () => {
  const registry = new Registry();
  const map = () => undefined;
  registerDerived(registry, { name: "b", help: "B.", type: "gauge", from: "nothing", map });
  deepEqual((await registry.getSingleMetric("b")?.get())?.values, []);
});
