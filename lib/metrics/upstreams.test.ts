import { ok } from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { MeshError } from "../errors.js";
import { FakeClock } from "../fake-clock.js";
import { expose } from "./exposition.js";
import { Upstreams } from "./upstreams.js";

test("calls are timed by upstream, method and outcome, and each upstream says whether it is ready", async () => {
  const registry = new Registry();
  const clock = new FakeClock();
  const upstreams = new Upstreams(registry, clock);
  let isReady = true;
  const measure = upstreams.observe("inference", async () => isReady).ofMethod("a.B/C");
  upstreams.observe("provider", async () => false);
  const [first, second] = [measure(), measure()];
  await clock.moveTo(20);
  first(undefined, "4bf92f3577b34da6");
  await clock.moveTo(300);
  second(new MeshError("unavailable", "away"));
  const name = "arrowmesh_upstream_call_duration_seconds";
  const call = 'upstream="inference",method="a.B/C"';
  const { body } = await expose(registry, "application/openmetrics-text");
  for (const line of [
    `${name}_bucket{le="0.01",${call},status="ok"} 0`,
    `${name}_bucket{le="0.025",${call},status="ok"} 1 # {trace_id="4bf92f3577b34da6"} 0.02 0.020`,
    `${name}_count{${call},status="ok"} 1`,
    `${name}_sum{${call},status="unavailable"} 0.3`,
    'arrowmesh_upstream_ready{upstream="inference"} 1',
    'arrowmesh_upstream_ready{upstream="provider"} 0',
  ]) {
    ok(body.includes(`${line}\n`), line);
  }
  isReady = false;
  ok((await registry.metrics()).includes('arrowmesh_upstream_ready{upstream="inference"} 0\n'));
});
