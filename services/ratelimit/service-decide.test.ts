import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import type {
  ReserveResponse,
  TakeResponse,
} from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import type { Status } from "../../gen/google/rpc/status_pb.js";
import { MeshError } from "../../lib/errors.js";
import { errorOf } from "../../lib/rpc/status.js";
import {
  context,
  isInvalid,
  openRatelimit,
  perIp,
  requests,
  tokens,
} from "../../test/support/ratelimit-service.js";

test("decide answers each in order as take and reserve do, and one mistake is one answer", async () => {
  const { client } = openRatelimit(perIp(2));
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
  const single = openRatelimit(perIp(2)).client;
  deepEqual(outcomes[0]?.answer.value, await single.take(requests, context));
  deepEqual(outcomes[1]?.answer.value, await single.reserve(tokens, context));
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
  const decide = (spend: () => Promise<never>) =>
    openRatelimit(perIp(1), { spend }).client.decide({ decisions: [...decisions] }, context);
  const { outcomes } = await decide(away);
  deepEqual(
    outcomes.map(({ answer }) => answer.case === "error" && errorOf(answer.value).fault),
    ["unavailable", "unavailable"],
  );
  await rejects(decide(broken), { fault: "internal" });
});

test("the number of decisions has a bound", async () => {
  const { client } = openRatelimit(perIp(1));
  const decide = (count: number) =>
    client.decide({ decisions: Array.from({ length: count }, () => ({})) }, context);
  await rejects(decide(0), isInvalid("decisions"));
  await rejects(decide(257), isInvalid("decisions"));
  equal((await decide(256)).outcomes.length, 256);
});

function summaryOf(answer: TakeResponse | ReserveResponse | Status) {
  return "message" in answer ? answer.message : [answer.allowed, answer.limits[0]?.remaining];
}
