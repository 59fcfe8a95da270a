import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { MeshError } from "../../lib/errors.js";
import { FakeClock } from "../../lib/fake-clock.js";
import { Breakers } from "../../lib/metrics/breakers.js";
import { createRatelimitMetrics } from "./metrics.js";
import { RuleCounts, ruleNamesMax } from "./rule-counts.js";
import type { AppliedRule, Decision, OnStoreFailure } from "./stores/charge.js";
import { FaultyStore } from "./stores/faulty-store.js";
import { MemoryStore } from "./stores/memory-store.js";
import { MeteredStore } from "./stores/metered-store.js";
import type { StoreStatus } from "./stores/store-status.js";
import { ruleOf, slow, spending } from "./stores/suite-charges.js";

test("decisions are timed, and those without the shared counters are counted by limit", async () => {
  const { registry, faulty, metered, clock } = open();
  const rules = [named("a", "allow"), named("b", "degrade"), named("c", "refuse")];
  faulty.spend = async (charge) => {
    await clock.moveTo(clock.nowMs() + 3);
    if (charge.items.length === 3) throw new MeshError("unavailable", "away");
    return { ...(await faulty.peek(charge)), isDegraded: charge.items.length === 2 };
  };
  await metered.spend(spending(1, ...rules.slice(0, 2)));
  await metered.spend(spending(1, ...rules.slice(0, 1)));
  await metered.spend(spending(1, ...rules)).catch(() => undefined);
  const lines = await linesOf(registry);
  for (const line of [
    'degraded_decisions_total{limit="a",on_store_failure="allow"} 1',
    'degraded_decisions_total{limit="b",on_store_failure="degrade"} 1',
    'degraded_decisions_total{limit="c",on_store_failure="refuse"} 1',
    'decision_seconds_bucket{le="0.0025"} 0',
    'decision_seconds_bucket{le="0.005"} 2',
    "decision_seconds_count 2",
  ]) {
    ok(lines.has(line), line);
  }
});

test("overload and bugs are not counted as decisions without the shared counters", async () => {
  const { registry, faulty, metered } = open();
  for (const fault of ["overloaded", "broken"] as const) {
    faulty.fault = fault;
    await metered.spend(spending(1, named("a", "refuse"))).catch(() => undefined);
  }
  ok(![...(await linesOf(registry))].some((line) => line.startsWith("degraded_decisions_total{")));
});

test("a store that is elsewhere has metrics of how it was reached, one in memory has not", async () => {
  const memory: StoreStatus = { kind: "memory", keysInMemory: 7, reservationsInMemory: 2 };
  const shared = {
    isConnected: true,
    breaker: "half_open",
    breakerFailures: 9,
    degradedSinceMs: 1,
    timeouts: 1,
    errors: 2,
    unknownOutcomes: 3,
    settlementsKept: 4,
    settlementsDropped: 5,
  } as const;
  const redis: StoreStatus = {
    ...memory,
    kind: "redis",
    shared,
    overLimit: { hits: 6, keys: 8 },
    leases: { decisions: 10, units: 11, unitsLost: 12 },
  };
  const expected = [
    "arrowmesh_redis_connected 1",
    'arrowmesh_redis_errors_total{kind="timeout"} 1',
    'arrowmesh_redis_errors_total{kind="error"} 2',
    'arrowmesh_breaker_state{breaker="redis"} 1',
    'arrowmesh_breaker_failures_total{breaker="redis"} 9',
    'arrowmesh_breaker_half_open_slots{breaker="redis"} 1',
    "redis_unknown_outcomes_total 3",
    "settlements_kept 4",
    "settlements_dropped_total 5",
    "over_limit_hits_total 6",
    "over_limit_keys 8",
    "lease_decisions_total 10",
    "leased_units 11",
    "leased_units_lost_total 12",
  ];
  for (const [status, isShared] of [
    [memory, false],
    [redis, true],
  ] as const) {
    const { registry, count, faulty } = open();
    count.observe(faulty, () => status);
    const lines = await linesOf(registry);
    ok(lines.has("keys_in_memory 7") && lines.has("reservations_in_memory 2"));
    deepEqual(
      expected.filter((line) => lines.has(line)),
      isShared ? expected : [],
    );
  }
});

test("limits beyond so many names are counted together", () => {
  const counts = new RuleCounts();
  for (let index = 0; index < ruleNamesMax + 5; index += 1) {
    counts.decided(decisionOf(named(`limit-${index}`, "allow")), "");
  }
  const all = new Map(counts.entries());
  deepEqual([all.size, all.get("other")?.allowed], [ruleNamesMax + 1, 5]);
  counts.decided(decisionOf(named("limit-0", "allow")), "shadow_");
  equal(all.get("limit-0")?.shadow_allowed, 1);
});

function open() {
  const clock = new FakeClock();
  const registry = new Registry();
  const count = createRatelimitMetrics({ registry, clock, breakers: new Breakers(registry) });
  const faulty = new FaultyStore(new MemoryStore({ keysMax: 10, reservationsMax: 10 }, clock));
  return { clock, registry, count, faulty, metered: new MeteredStore(faulty, count, clock) };
}

function named(name: string, onStoreFailure: OnStoreFailure): AppliedRule {
  return { ...ruleOf(slow), name, onStoreFailure };
}

function decisionOf(rule: AppliedRule): Decision {
  const item = { rule, amount: 1, isHeld: false };
  return {
    allowed: true,
    states: [{ item, remaining: 1, resetMs: 1, retryAfterMs: 0 }],
    isDegraded: false,
  };
}

/** Without what all names begin with. */
async function linesOf(registry: Registry): Promise<ReadonlySet<string>> {
  const text = await registry.metrics();
  return new Set(text.split("\n").map((line) => line.replace("arrowmesh_ratelimit_", "")));
}
