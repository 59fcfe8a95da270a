import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { ROOT_CONTEXT } from "@opentelemetry/api";
import { Registry } from "prom-client";
import {
  type Limit,
  RatelimitService,
  type ReserveRequestSchema,
  type ReserveResponse,
  type TakeResponse,
  Unit,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import type { Status } from "../../gen/google/rpc/status_pb.js";
import { readConfig } from "../../lib/config.js";
import { MeshError } from "../../lib/errors.js";
import { FakeClock } from "../../lib/fake-clock.js";
import type { CallContext } from "../../lib/rpc/call.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { errorOf } from "../../lib/rpc/status.js";
import { ratelimitSchema } from "./config.js";
import { MemoryStore } from "./memory-store.js";
import { createRatelimitMetrics } from "./metrics.js";
import { createPolicy, type Policy } from "./policy.js";
import { createRatelimit } from "./service.js";
import type { LimitStore } from "./store.js";

const context: CallContext = {
  signal: new AbortController().signal,
  deadlineAtMs: 1_000,
  trace: ROOT_CONTEXT,
  requestId: "test",
  clientIp: "",
};
const caller = { ip: "203.0.113.7" };
const requests = { caller, unit: Unit.REQUESTS, amount: 1n };
// Enums are open: a newer caller may send what this service does not know.
const newerUnit = 9 as Unit;
const tokens = { caller, unit: Unit.TOKENS, amount: 60_000n, reservationId: "a", ttlMs: 1_000 };

test("take spends until the limit says when to come back", async () => {
  const { client } = open({ RATELIMIT_REQUESTS_BURST: "2" });
  const first = await client.take(requests, context);
  deepEqual([first.allowed, limitsOf(first)], [true, [["requests-per-ip", 2n, 1n, 20n, 0n]]]);
  await client.take(requests, context);
  const third = await client.take(requests, context);
  deepEqual([third.allowed, limitsOf(third)], [false, [["requests-per-ip", 2n, 0n, 40n, 20n]]]);
  equal(third.limits[0]?.unit, Unit.REQUESTS);
});

test("check answers as take would, and spends nothing", async () => {
  const { client } = open({ RATELIMIT_REQUESTS_BURST: "1" });
  const checked = await client.check(requests, context);
  const taken = await client.take(requests, context);
  deepEqual(limitsOf(checked), limitsOf(taken));
  equal((await client.check(requests, context)).allowed, false);
});

test("an amount over the quota is refused for good, however large it is", async () => {
  const { client } = open();
  for (const amount of [100_001n, 2n ** 53n, 2n ** 64n - 1n]) {
    const { allowed, limits } = await client.reserve({ ...tokens, amount }, context);
    deepEqual([allowed, limits[0]?.retryAfterMs, limits[0]?.quota], [false, undefined, 100_000n]);
  }
});

test("reserved tokens are spent, until they are released or their time is over", async () => {
  const { client, clock } = open();
  equal((await client.reserve(tokens, context)).allowed, true);
  equal((await client.reserve(tokens, context)).allowed, true);
  equal((await client.reserve({ ...tokens, reservationId: "b" }, context)).allowed, false);
  await client.release({ reservationIds: ["a", "unknown"] }, context);
  equal((await client.reserve({ ...tokens, reservationId: "b" }, context)).allowed, true);
  await clock.moveTo(1_000);
  equal((await client.reserve({ ...tokens, reservationId: "c" }, context)).allowed, true);
  await client.commit({ reservationIds: ["c", "c", "b"] }, context);
  await clock.moveTo(3_000);
  equal((await client.reserve({ ...tokens, reservationId: "d" }, context)).allowed, false);
});

test("callers on this machine have no limits by default", async () => {
  const { client } = open();
  const local = { ...requests, caller: { ip: "::ffff:127.0.0.1" }, amount: 2n ** 64n - 1n };
  const { allowed, limits } = await client.take(local, context);
  deepEqual([allowed, limits], [true, []]);
});

test("limits come tightest first, by what is left of each", async () => {
  const bucket = (burst: number) => ({ perWindow: 1, windowMs: 1_000, burst });
  const { client } = open({}, () => [
    { name: "half", key: "1", bucket: bucket(20) },
    { name: "most", key: "2", bucket: bucket(100) },
    { name: "none", key: "3", bucket: bucket(10) },
  ]);
  const { limits } = await client.take({ ...requests, amount: 10n }, context);
  deepEqual(
    limits.map(({ name }) => name),
    ["none", "half", "most"],
  );
});

test("what is missing or out of bounds is named", async () => {
  const { client } = open();
  const table: [field: string, request: MessageInitShape<typeof ReserveRequestSchema>][] = [
    ["caller.ip", { ...tokens, caller: { ip: "" } }],
    ["caller.ip", { ...tokens, caller: { ip: "localhost" } }],
    ["caller.ip", { unit: Unit.TOKENS, amount: 1n, reservationId: "a", ttlMs: 1 }],
    ["unit", { ...tokens, unit: Unit.UNSPECIFIED }],
    ["unit", { ...tokens, unit: newerUnit }],
    ["amount", { ...tokens, amount: 0n }],
    ["reservation_id", { ...tokens, reservationId: "" }],
    ["reservation_id", { ...tokens, reservationId: "x".repeat(65) }],
    ["ttl_ms", { ...tokens, ttlMs: 0 }],
    ["ttl_ms", { ...tokens, ttlMs: 600_001 }],
  ];
  for (const [field, request] of table) {
    await rejects(client.reserve(request, context), isInvalid(field), field);
  }
  await rejects(client.take({ ...requests, amount: 0n }, context), isInvalid("amount"));
  await rejects(client.check({ ...requests, unit: 0 }, context), isInvalid("unit"));
  for (const settle of [client.commit, client.release]) {
    const call = (reservationIds: string[]) => settle({ reservationIds }, context);
    await rejects(call([]), isInvalid("reservation_ids"));
    await rejects(call(Array(1_025).fill("a")), isInvalid("reservation_ids"));
    await rejects(call(["a", ""]), isInvalid("reservation_ids[1]"));
    await call(["x".repeat(64), ...Array<string>(1_023).fill("a")]);
  }
});

test("decide answers each in order as take and reserve do, and one mistake is one answer", async () => {
  const { client } = open({ RATELIMIT_REQUESTS_BURST: "2" });
  const take = { question: { case: "take", value: requests } } as const;
  const reserve = { question: { case: "reserve", value: tokens } } as const;
  const wrong = { ...reserve.question, value: { ...tokens, ttlMs: 0 } };
  const decisions = [take, reserve, { question: wrong }, take, {}, reserve, take];
  const { outcomes } = await client.decide({ decisions }, context);
  deepEqual(
    outcomes.map(({ answer }) => [answer.case, answer.value && summaryOf(answer.value)]),
    [
      ["take", [true, 1n]],
      ["reserve", [true, 40_000n]],
      ["error", "ttl_ms: expected 1..600000"],
      ["take", [true, 0n]],
      ["error", "question: missing"],
      // The same reservation is spent once.
      ["reserve", [true, 40_000n]],
      ["take", [false, 0n]],
    ],
  );
  const single = open({ RATELIMIT_REQUESTS_BURST: "2" });
  deepEqual(outcomes[0]?.answer.value, await single.client.take(requests, context));
  deepEqual(outcomes[1]?.answer.value, await single.client.reserve(tokens, context));
  const error = outcomes[2]?.answer;
  ok(error?.case === "error");
  ok(isInvalid("ttl_ms")(errorOf(error.value)));
});

test("a store that is away is the answer to every decision, and a bug fails the call", async () => {
  const away = (): Promise<never> => Promise.reject(new MeshError("unavailable", "away"));
  const broken = (): Promise<never> => Promise.reject(new TypeError("broken"));
  const decisions = [
    { question: { case: "reserve", value: tokens } },
    { question: { case: "take", value: requests } },
  ] as const;
  const decide = (take: () => Promise<never>) =>
    open({}, undefined, { take, reserve: away }).client.decide(
      { decisions: [...decisions] },
      context,
    );
  const { outcomes } = await decide(away);
  deepEqual(
    outcomes.map(({ answer }) => answer.case === "error" && errorOf(answer.value).fault),
    ["unavailable", "unavailable"],
  );
  await rejects(decide(broken), { fault: "internal" });
});

test("the number of decisions has a bound", async () => {
  const { client } = open();
  const decide = (count: number) =>
    client.decide({ decisions: Array.from({ length: count }, () => ({})) }, context);
  await rejects(decide(0), isInvalid("decisions"));
  await rejects(decide(257), isInvalid("decisions"));
  equal((await decide(256)).outcomes.length, 256);
});

test("metrics count decisions and reservations without naming anyone", async () => {
  const { client, clock, registry } = open();
  await client.take(requests, context);
  await client.check(requests, context);
  for (const id of ["a", "b", "c"]) {
    await client.reserve({ ...tokens, amount: 40_000n, reservationId: id }, context);
  }
  await client.commit({ reservationIds: ["a"] }, context);
  const text = await registry.metrics();
  ok(text.includes('decisions_total{unit="requests",outcome="allowed"} 1\n'));
  ok(text.includes('decisions_total{unit="tokens",outcome="allowed"} 2\n'));
  ok(text.includes('decisions_total{unit="tokens",outcome="refused"} 1\n'));
  ok(text.includes('reservations_total{event="opened"} 2\n'));
  ok(text.includes('reservations_total{event="committed"} 1\n'));
  ok(text.includes("arrowmesh_ratelimit_reservations_open 1\n"));
  await clock.moveTo(1_000);
  const later = await registry.metrics();
  ok(later.includes('reservations_total{event="expired"} 1\n'));
  ok(later.includes("arrowmesh_ratelimit_reservations_open 0\n"));
  ok(!later.includes(caller.ip));
});

function open(
  env: Record<string, string> = {},
  policy?: Policy,
  storeOver: Partial<LimitStore> = {},
) {
  const config = readConfig(ratelimitSchema, { RATELIMIT_TOKENS_PER_MINUTE: "100000", ...env });
  const clock = new FakeClock();
  const registry = new Registry();
  const ratelimit = createRatelimit({
    policy: policy ?? createPolicy(config),
    store: Object.assign(new MemoryStore(config, clock), storeOver),
    count: createRatelimitMetrics(registry),
  });
  const channel = createLocalChannel({
    role: "ratelimit",
    bindings: [ratelimit],
    interceptors: [],
  });
  return { client: channel.client(RatelimitService), clock, registry };
}

function summaryOf(answer: TakeResponse | ReserveResponse | Status) {
  return "message" in answer ? answer.message : [answer.allowed, answer.limits[0]?.remaining];
}

function limitsOf({ limits }: { readonly limits: readonly Limit[] }) {
  return limits.map((l) => [l.name, l.quota, l.remaining, l.resetMs, l.retryAfterMs]);
}

function isInvalid(field: string) {
  return (error: unknown): boolean =>
    error instanceof MeshError &&
    error.fault === "invalid" &&
    error.details.fields?.[0]?.field === field;
}
