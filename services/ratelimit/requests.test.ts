import { rejects } from "node:assert/strict";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  type CommitRequestSchema,
  type ReserveRequestSchema,
  type TakeRequestSchema,
  Unit,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import {
  caller,
  context,
  isInvalid,
  openRatelimit,
  perIp,
  requests,
  tokens,
} from "../../test/support/ratelimit-service.js";

const { client } = openRatelimit(perIp(1_000));
// Enums are open: a newer caller may send what this service does not know.
const newerUnit = 9 as Unit;
const long = "x".repeat(1_025);

test("what is missing or out of bounds in a spending is named", async () => {
  const more = (...units: Unit[]) => ({
    ...tokens,
    more: units.map((unit) => ({ unit, amount: 1n })),
  });
  const table: [field: string, request: MessageInitShape<typeof ReserveRequestSchema>][] = [
    ["caller.ip", { ...tokens, caller: { ip: "" } }],
    ["caller.ip", { ...tokens, caller: { ip: "localhost" } }],
    ["caller.ip", { ...tokens, caller: { ip: "::1".padEnd(10_000, "%") } }],
    ["caller.ip", { unit: Unit.TOKENS, amount: 1n, reservationId: "a", ttlMs: 1 }],
    ["caller.api_key", { ...tokens, caller: { ...caller, apiKey: long } }],
    ["caller.user", { ...tokens, caller: { ...caller, user: "é".repeat(513) } }],
    ["caller.tier", { ...tokens, caller: { ...caller, tier: long } }],
    ["caller.model", { ...tokens, caller: { ...caller, model: long } }],
    ["caller.provider", { ...tokens, caller: { ...caller, provider: long } }],
    ["caller.route", { ...tokens, caller: { ...caller, route: long } }],
    ["unit", { ...tokens, unit: Unit.UNSPECIFIED }],
    ["unit", { ...tokens, unit: newerUnit }],
    ["unit", { ...tokens, unit: Unit.CONCURRENT_REQUESTS }],
    ["amount", { ...tokens, amount: 0n }],
    ["more[0].unit", more(Unit.TOKENS)],
    ["more[1].unit", more(Unit.REQUESTS, Unit.REQUESTS)],
    ["more[0].unit", more(Unit.CONCURRENT_REQUESTS)],
    ["more[0].unit", more(newerUnit)],
    ["more[0].amount", { ...tokens, more: [{ unit: Unit.REQUESTS, amount: 0n }] }],
    ["more", more(Unit.REQUESTS, Unit.REQUESTS, Unit.REQUESTS, Unit.REQUESTS)],
    ["reservation_id", { ...tokens, reservationId: "" }],
    ["reservation_id", { ...tokens, reservationId: "x".repeat(65) }],
    ["ttl_ms", { ...tokens, ttlMs: 0 }],
    ["ttl_ms", { ...tokens, ttlMs: 600_001 }],
  ];
  for (const [field, request] of table) {
    await rejects(client.reserve(request, context), isInvalid(field), field);
  }
  await rejects(client.check({ ...requests, unit: 0 }, context), isInvalid("unit"));
});

test("attributes up to 1,024 bytes are taken, whatever is in them", async () => {
  for (const text of [
    "x".repeat(1_024),
    "é".repeat(512),
    "\u0000|#{}",
    "\ud83d\ude00".repeat(256),
  ]) {
    const attributes = { apiKey: text, user: text, tier: text, model: text, route: text };
    await client.take({ ...requests, caller: { ...caller, ...attributes } }, context);
  }
});

test("a lease has an id and a time, or neither", async () => {
  const table: [field: string, request: MessageInitShape<typeof TakeRequestSchema>][] = [
    ["amount", { ...requests, amount: 0n }],
    ["lease_id", { ...requests, leaseMs: 1 }],
    ["lease_id", { ...requests, leaseMs: 1, leaseId: "x".repeat(65) }],
    ["lease_ms", { ...requests, leaseId: "a" }],
    ["lease_ms", { ...requests, leaseId: "a", leaseMs: 3_600_001 }],
  ];
  for (const [field, request] of table) {
    await rejects(client.take(request, context), isInvalid(field), field);
  }
  await client.take({ ...requests, leaseId: "x".repeat(64), leaseMs: 3_600_000 }, context);
});

test("ids to settle are named once, and not too many", async () => {
  for (const settle of [client.commit, client.release]) {
    const call = (reservationIds: string[]) => settle({ reservationIds }, context);
    await rejects(call([]), isInvalid("reservation_ids"));
    await rejects(call(Array(1_025).fill("a")), isInvalid("reservation_ids"));
    await rejects(call(["a", ""]), isInvalid("reservation_ids[1]"));
    await call(["x".repeat(64), ...Array<string>(1_023).fill("a")]);
  }
  const part = { reservationId: "a", amount: 1n };
  const table: [field: string, request: MessageInitShape<typeof CommitRequestSchema>][] = [
    ["partial[0].reservation_id", { reservationIds: ["a"], partial: [part] }],
    ["partial[1].reservation_id", { partial: [part, part] }],
    ["partial[0].reservation_id", { partial: [{ reservationId: "", amount: 1n }] }],
    ["reservation_ids", { reservationIds: Array(1_024).fill("b"), partial: [part] }],
  ];
  for (const [field, request] of table) {
    await rejects(client.commit(request, context), isInvalid(field), field);
  }
});
