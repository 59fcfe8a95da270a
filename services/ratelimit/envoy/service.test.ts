import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { describe, test } from "node:test";
import { Registry } from "prom-client";
import { RateLimitResponse_Code as Code } from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import { readConfig } from "../../../lib/config.js";
import { MeshError } from "../../../lib/errors.js";
import { FakeClock } from "../../../lib/fake-clock.js";
import { callContext } from "../../../test/support/call-context.js";
import { MemoryStore } from "../stores/memory-store.js";
import { envoyRatelimitSchema } from "./config.js";
import { runEnvoySuite } from "./envoy-suite.js";
import { createEnvoyMetrics } from "./metrics.js";
import { readRules } from "./read-rules.js";
import { createShouldRateLimit } from "./service.js";
import { of, requestOf, suiteRules } from "./suite-requests.js";

describe("with counters in memory", () => runEnvoySuite(open(suiteRules).ask));

test("headers tell of the tightest limit, by the names of the settings", async () => {
  const { ask, clock } = open(twoLimits, {
    RATELIMIT_ENVOY_LIMIT_RESPONSE_HEADERS_ENABLED: "true",
    RATELIMIT_ENVOY_LIMIT_RESET_HEADER: "X-Reset",
  });
  await clock.moveTo(20_000);
  const both = { domain: "d", descriptors: [of("a"), of("b")] };
  const headers = (await ask(both)).responseHeadersToAdd.map(({ key, value }) => [key, value]);
  deepEqual(headers, [
    ["RateLimit-Limit", "2"],
    ["RateLimit-Remaining", "1"],
    ["X-Reset", "40"],
  ]);
  const nothing = await ask({ domain: "d", descriptors: [of("unknown")] });
  deepEqual(nothing.responseHeadersToAdd, []);
});

test("structured headers tell of every limit", async () => {
  const { ask, clock } = open(twoLimits, { RATELIMIT_ENVOY_STRUCTURED_HEADERS_ENABLED: "true" });
  await clock.moveTo(20_000);
  const { responseHeadersToAdd } = await ask({ domain: "d", descriptors: [of("a"), of("b")] });
  deepEqual(
    responseHeadersToAdd.map(({ key, value }) => `${key}: ${value}`),
    [
      'RateLimit-Policy: "d.a";q=5;w=120, "say \\"b\\"_";q=2;w=60',
      'RateLimit: "d.a";r=4;t=100, "say \\"b\\"_";r=1;t=40',
    ],
  );
});

test("without the settings, an answer has neither headers nor metadata", async () => {
  const { ask } = open(twoLimits);
  const answer = await ask({ domain: "d", descriptors: [of("a")] });
  deepEqual([answer.responseHeadersToAdd, answer.dynamicMetadata], [[], undefined]);
});

test("dynamic metadata tells what was asked, which quotas have no room, and the file's own", async () => {
  const { ask } = open(quotaLimits, { RATELIMIT_ENVOY_RESPONSE_DYNAMIC_METADATA: "true" });
  const entries = ["one", "two"].map((value) => [{ key: "service", value }]);
  const request = {
    domain: "d",
    hitsAddend: 1,
    descriptors: [{ entries: entries[0] ?? [] }, { entries: entries[1] ?? [], hitsAddend: 2n }],
  };
  await ask(request);
  deepEqual((await ask(request)).dynamicMetadata, {
    domain: "d",
    hitsAddend: 1,
    descriptors: [
      { entries: ["service=one"] },
      { entries: ["service=two"], hitsAddend: 2, metadata: { cluster: "two", weights: [1, null] } },
    ],
    quotaModeViolations: [0],
    quotaModeEnabled: true,
  });
});

test("with all in shadow mode every request passes, and its descriptors say what they would", async () => {
  const { ask, registry } = open(twoLimits, { RATELIMIT_ENVOY_SHADOW_MODE: "true" });
  const b = { domain: "d", descriptors: [of("b"), of("b")] };
  const last = [await ask(b), await ask(b), await ask(b)].at(-1);
  equal(last?.overallCode, Code.OK);
  deepEqual(
    last.statuses.map(({ code }) => code),
    [Code.OVER_LIMIT, Code.OVER_LIMIT],
  );
  const text = await registry.metrics();
  match(text, /^ratelimit_service_global_shadow_mode 1$/m);
});

test("with all in quota mode a request passes while one limit has room", async () => {
  const { ask } = open(twoLimits, { RATELIMIT_ENVOY_QUOTA_MODE: "true" });
  const both = { domain: "d", descriptors: [of("a"), of("b")] };
  const seen: Code[] = [];
  for (let count = 0; count < 6; count += 1) seen.push((await ask(both)).overallCode);
  deepEqual(seen, [...Array(5).fill(Code.OK), Code.OVER_LIMIT]);
});

test("a window that nothing was spent in ends when the clock says so", async () => {
  const { ask, clock } = open(twoLimits);
  await clock.moveTo(21_500);
  const look = { ...of("b"), hitsAddend: 0n };
  const { statuses } = await ask({ domain: "d", descriptors: [look] });
  equal(statuses[0]?.durationUntilReset?.seconds, 39n);
});

test("a window ends, and the limit is whole again", async () => {
  const { ask, clock } = open(twoLimits);
  const b = { domain: "d", descriptors: [of("b")] };
  const codes = [await ask(b), await ask(b), await ask(b)].map(({ overallCode }) => overallCode);
  deepEqual(codes, [Code.OK, Code.OK, Code.OVER_LIMIT]);
  await clock.moveTo(60_000);
  deepEqual((await ask(b)).statuses[0]?.limitRemaining, 1);
});

test("hits are counted by domain and path: all, within, near and over the limit, in shadow mode", async () => {
  const { ask, registry } = open(countedLimits);
  const hit = async (key: string, hits: number) =>
    await ask({ domain: "d", hitsAddend: hits, descriptors: [{ entries: [{ key, value: "v" }] }] });
  for (const hits of [7, 2, 3]) await hit("ten", hits);
  for (const hits of [9, 4]) await hit("ghost", hits);
  const counts = await countsOf(registry);
  deepEqual(counts("ten"), { total: 12, within: 9, near: 1, over: 3, shadow: 0 });
  deepEqual(counts("ghost"), { total: 13, within: 9, near: 1, over: 4, shadow: 4 });
});

test("values of requests are in metrics where the file says so, up to a bound", async () => {
  const { ask, registry } = open(countedLimits, { RATELIMIT_ENVOY_SERIES_MAX: "2" });
  for (const value of ["10.0.0.1", "a:b", "c", "e", "10.0.0.1"]) {
    await ask({ domain: "d", descriptors: [{ entries: [{ key: "each", value }] }] });
  }
  const counts = await countsOf(registry);
  equal(counts("each_10_0_0_1").total, 2);
  equal(counts("each_a_b").total, 1);
  equal(counts("other").total, 2);
});

test("failures are counted by whose they are", async () => {
  const { ask, registry, counters } = open(twoLimits);
  await rejects(ask({ domain: "", descriptors: [of("a")] }));
  counters.spend = () => Promise.reject(new MeshError("unavailable", "no counters"));
  await rejects(ask({ domain: "d", descriptors: [of("a")] }), /no counters/);
  await ask({ domain: "nobody", descriptors: [of("a")] });
  const text = await registry.metrics();
  match(text, /should_rate_limit_error\{err_type="service_error"\} 1/);
  match(text, /should_rate_limit_error\{err_type="redis_error"\} 1/);
  match(text, /total_requests\{grpc_method="ShouldRateLimit"\} 3/);
  match(text, /domain_not_found 1/);
});

const twoLimits = `
domain: d
descriptors:
  - { key: a, rate_limit: { unit: minute, unit_multiplier: 2, requests_per_unit: 5 } }
  - { key: b, rate_limit: { name: 'say "b"ü', unit: minute, requests_per_unit: 2 } }
`;
const quotaLimits = `
domain: d
descriptors:
  - { key: service, value: one, quota_mode: true, rate_limit: { unit: day, requests_per_unit: 1 } }
  - key: service
    value: two
    quota_mode: true
    metadata: { cluster: two, weights: [1, null] }
    rate_limit: { unit: day, requests_per_unit: 9 }
`;
const countedLimits = `
domain: d
descriptors:
  - { key: ten, rate_limit: { unit: day, requests_per_unit: 10 } }
  - { key: ghost, shadow_mode: true, rate_limit: { unit: day, requests_per_unit: 10 } }
  - { key: each, detailed_metric: true, rate_limit: { unit: day, requests_per_unit: 10 } }
`;

async function countsOf(registry: Registry) {
  const lines = (await registry.metrics()).split("\n");
  const names = {
    total: "total_hits",
    within: "within_limit",
    near: "near_limit",
    over: "over_limit",
    shadow: "shadow_mode",
  };
  return (key1: string) =>
    Object.fromEntries(
      Object.entries(names).map(([word, name]) => {
        const start = `ratelimit_service_rate_limit_${name}{domain="d",key1="${key1}",`;
        return [
          word,
          Number(
            lines
              .find((line) => line.startsWith(start))
              ?.split(" ")
              .at(-1),
          ),
        ];
      }),
    );
}

function open(text: string, env: NodeJS.ProcessEnv = {}) {
  const clock = new FakeClock();
  const registry = new Registry();
  const rules = readRules([{ file: "rules.yaml", text }]);
  const config = readConfig(envoyRatelimitSchema, env);
  const counters = new MemoryStore({ keysMax: 1_000, reservationsMax: 1 }, clock);
  const count = createEnvoyMetrics(registry, config.seriesMax);
  const answer = createShouldRateLimit({ rules: () => rules, counters, config, count, clock });
  const ask = async (init: Parameters<typeof requestOf>[0]) =>
    await answer(requestOf(init), callContext());
  return { ask, clock, registry, counters };
}
