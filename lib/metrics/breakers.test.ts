import { ok } from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { type BreakerStatus, Breakers } from "./breakers.js";

test("each breaker tells its state, its failures and what tries whether it may close", async () => {
  const registry = new Registry();
  const breakers = new Breakers(registry);
  let state: BreakerStatus["state"] = "closed";
  breakers.observe("redis", () => ({ state, failures: 3, halfOpenSlots: 0 }));
  breakers.observe("provider", () => ({ state: "half_open", failures: 5, halfOpenSlots: 2 }));
  for (const [now, number] of [
    ["closed", 0],
    ["half_open", 1],
    ["open", 2],
  ] as const) {
    state = now;
    ok((await registry.metrics()).includes(`arrowmesh_breaker_state{breaker="redis"} ${number}\n`));
  }
  const text = await registry.metrics();
  for (const line of [
    'arrowmesh_breaker_state{breaker="provider"} 1',
    'arrowmesh_breaker_failures_total{breaker="redis"} 3',
    'arrowmesh_breaker_failures_total{breaker="provider"} 5',
    'arrowmesh_breaker_half_open_slots{breaker="provider"} 2',
  ]) {
    ok(text.includes(`${line}\n`), line);
  }
});
