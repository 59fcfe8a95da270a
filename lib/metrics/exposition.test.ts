import { equal, match } from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { expose } from "./exposition.js";
import { registerNumber } from "./register.js";

const text = "text/plain; version=0.0.4; charset=utf-8";
const openMetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/** What Prometheus 2 and 3 send. */
const prometheus2 =
  "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
const prometheus3 =
  "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

function registryOfOne(): Registry {
  const registry = new Registry();
  registerNumber(registry, { name: "a_total", help: "A.", type: "counter", read: () => 7 });
  return registry;
}

test("OpenMetrics is for who asks for it, and the older text for all others", async () => {
  for (const [accept, expected] of [
    [undefined, text],
    ["", text],
    ["*/*", text],
    ["text/plain", text],
    ["text/html,application/xhtml+xml,*/*;q=0.8", text],
    ["application/openmetrics-text", openMetrics],
    ["Application/OpenMetrics-Text; Version=1.0.0", openMetrics],
    ['application/openmetrics-text; version="1.0.0"', openMetrics],
    [prometheus2, openMetrics],
    [prometheus3, openMetrics],
    // Wanted less, refused, of a version that is not served, or no header at all.
    ["application/openmetrics-text;q=0.2,text/plain;q=0.9", text],
    ["application/openmetrics-text;q=0", text],
    ["application/openmetrics-text;version=0.0.1", text],
    ["application/openmetrics-text;version=2.0.0", text],
    ["application/openmetrics-text;q=nonsense", text],
    [";;;,,,=;q=", text],
  ] as const) {
    const { contentType } = await expose(registryOfOne(), accept);
    equal(contentType, expected, accept);
  }
});

test("both are written from one registry, time after time", async () => {
  const registry = registryOfOne();
  for (let i = 0; i < 2; i += 1) {
    const plain = await expose(registry, undefined);
    match(plain.body, /^# HELP a_total A\.\n# TYPE a_total counter\na_total 7\n$/);
    const open = await expose(registry, openMetrics);
    match(open.body, /^# TYPE a counter\n# HELP a A\.\na_total 7\n# EOF\n$/);
  }
});
