// What the service must answer whatever keeps its counters and however it is called. The cases of envoyproxy/ratelimit's
// integration tests, asked directly and without waiting for a window to end.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import type { RateLimitDescriptorSchema } from "../../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js";
import {
  RateLimitResponse_Code as Code,
  type RateLimitRequestSchema,
  type RateLimitResponse,
  RateLimitResponse_RateLimit_Unit as Unit,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import { RateLimitUnit } from "../../../gen/envoy/type/v3/ratelimit_unit_pb.js";
import { MeshError } from "../../../lib/errors.js";
import { of } from "./suite-requests.js";

export type AskEnvoy = (
  request: MessageInitShape<typeof RateLimitRequestSchema>,
) => Promise<RateLimitResponse>;

type DescriptorInit = MessageInitShape<typeof RateLimitDescriptorSchema>;

export function runEnvoySuite(askEnvoy: AskEnvoy): void {
  const ask = async (...descriptors: readonly DescriptorInit[]) =>
    await askEnvoy({ domain: "cases", descriptors: [...descriptors] });
  const codes = async (times: number, ...descriptors: readonly DescriptorInit[]) => {
    const seen: string[] = [];
    for (let count = 0; count < times; count += 1) {
      seen.push(wordOf((await ask(...descriptors)).overallCode));
    }
    return seen.join(" ");
  };
  runLimitCases(ask, codes);
  runTogetherCases(ask, codes);
  runMeterCases(ask);
  runQuotaCases(ask, codes);
  runBadRequestCases(askEnvoy);
}

type Ask = (...descriptors: readonly DescriptorInit[]) => Promise<RateLimitResponse>;
type Codes = (times: number, ...descriptors: readonly DescriptorInit[]) => Promise<string>;

function runLimitCases(ask: Ask, codes: Codes): void {
  test("a domain or a descriptor without a limit passes, and says nothing of a limit", async () => {
    for (const descriptor of [of("nobody"), of("service")]) {
      const { overallCode, statuses } = await ask(descriptor);
      deepEqual([wordOf(overallCode), statuses.map(shown)], ["OK", [["OK", 0, undefined]]]);
    }
  });

  test("a limit lets as many pass as it says, and answers how it stands", async () => {
    const user = of("user");
    const first = await ask(user);
    const [status] = first.statuses;
    deepEqual(status && shown(status), ["OK", 2, 3]);
    equal(status?.currentLimit?.unit, Unit.YEAR);
    const seconds = Number(status?.durationUntilReset?.seconds);
    ok(seconds > 0 && seconds <= 365 * 86_400, `${seconds} s`);
    equal(status?.durationUntilReset?.nanos, 0);
    equal(await codes(4, user), "OK OK OVER OVER");
    deepEqual((await ask(user)).statuses.map(shown), [["OVER", 0, 3]]);
    equal(await codes(1, of("user")), "OK");
  });

  test("a sliding window and a token bucket are limits too", async () => {
    equal(await codes(4, of("sliding")), "OK OK OK OVER");
    equal(await codes(6, of("bucket")), "OK OK OK OK OK OVER");
  });

  test("a limit of 0 lets nothing pass, and an unlimited one everything", async () => {
    equal(await codes(2, of("banned")), "OVER OVER");
    const { statuses } = await ask(of("free"));
    deepEqual(statuses.map(shown), [["OK", 4_294_967_295, undefined]]);
  });

  test("a limit in shadow mode is counted and lets everything pass", async () => {
    const shadow = of("shadow");
    equal(await codes(4, shadow), "OK OK OK OK");
    deepEqual((await ask(shadow)).statuses.map(shown), [["OK", 0, 2]]);
  });

  test("a limit that the request brings along holds instead of that in the file", async () => {
    const limit = { requestsPerUnit: 2, unit: RateLimitUnit.YEAR };
    const [user, unknown] = [
      { ...of("user"), limit },
      { ...of("nobody"), limit },
    ];
    equal(await codes(3, user), "OK OK OVER");
    equal(await codes(3, unknown), "OK OK OVER");
    const twice = { ...user, limit: { ...limit, unit: RateLimitUnit.DAY, unitMultiplier: 2 } };
    const [status] = (await ask(twice)).statuses;
    deepEqual([status?.currentLimit?.unitMultiplier, status?.limitRemaining], [2, 1]);
  });
}

function runTogetherCases(ask: Ask, codes: Codes): void {
  test("a request that one limit refuses leaves the others untouched", async () => {
    const [roomy, user] = [of("roomy"), of("user")];
    equal(await codes(3, roomy, user), "OK OK OK");
    deepEqual((await ask(roomy, user)).statuses.map(shown), [
      ["OK", 997, 1000],
      ["OVER", 0, 3],
    ]);
    equal(await codes(2, roomy, user), "OVER OVER");
    deepEqual((await ask(roomy)).statuses.map(shown), [["OK", 996, 1000]]);
  });

  test("descriptors of the same values are counted each", async () => {
    const user = of("user");
    equal((await ask(user, user)).statuses[1]?.limitRemaining, 1);
    equal(await codes(1, user, user), "OVER");
    equal(await codes(2, user), "OK OVER");
  });

  test("replaces: a limit holds instead of those that it names, and leaves them untouched", async () => {
    const [banned, given] = [of("banned"), { entries: [{ key: "pardon", value: "given" }] }];
    equal(await codes(1, banned), "OVER");
    equal(await codes(1, banned, given), "OK");
    const [plan, planB, upgrade] = [of("plan"), of("plan_b"), of("upgrade")];
    equal(await codes(5, plan, planB, upgrade), "OK OK OK OK OVER");
    equal(await codes(2, plan), "OK OVER");
    equal(await codes(2, planB), "OK OVER");
    equal(await codes(1, plan, upgrade), "OVER");
  });
}

function runMeterCases(ask: Ask): void {
  test("hits: of the request for every descriptor, or of a descriptor's own", async () => {
    const [roomy, tokens] = [of("roomy"), of("tokens")];
    const { statuses } = await ask(roomy, { ...tokens, hitsAddend: 4n });
    deepEqual(statuses.map(shown), [
      ["OK", 999, 1000],
      ["OK", 6, 10],
    ]);
  });

  test("no hits ask whether one more would pass, and spend nothing", async () => {
    const tokens = of("tokens");
    const look = async () => (await ask({ ...tokens, hitsAddend: 0n })).statuses.map(shown);
    deepEqual([await look(), await look()], [[["OK", 10, 10]], [["OK", 10, 10]]]);
    await ask({ ...tokens, hitsAddend: 10n });
    deepEqual([await look(), await look()], [[["OVER", 0, 10]], [["OVER", 0, 10]]]);
  });

  test("tokens: looked at before, metered after, and what is over the rest uses up the rest", async () => {
    const tokens = of("tokens");
    const look = async () => wordOf((await ask({ ...tokens, hitsAddend: 0n })).overallCode);
    const meter = async (hits: bigint) => (await ask({ ...tokens, hitsAddend: hits })).statuses;
    deepEqual([await look(), (await meter(7n)).map(shown)], ["OK", [["OK", 3, 10]]]);
    deepEqual([await look(), (await meter(5n)).map(shown)], ["OK", [["OVER", 0, 10]]]);
    equal(await look(), "OVER");
  });

  test("tokens of several limits are metered on each, whichever of them is used up", async () => {
    const [tokens, roomy] = [of("tokens"), of("roomy")];
    const metered = [tokens, roomy].map((descriptor) => ({ ...descriptor, hitsAddend: 25n }));
    deepEqual((await ask(...metered)).statuses.map(shown), [
      ["OVER", 0, 10],
      ["OK", 975, 1000],
    ]);
    deepEqual((await ask({ ...roomy, hitsAddend: 0n })).statuses.map(shown), [["OK", 975, 1000]]);
  });

  test("hits beyond any limit are refused, and no more than that", async () => {
    const descriptor = { ...of("tokens"), hitsAddend: 18_446_744_073_709_551_615n };
    deepEqual((await ask(descriptor)).statuses.map(shown), [["OVER", 0, 10]]);
  });

  test("negative hits are given back, never over the limit, and always pass", async () => {
    const tokens = of("tokens");
    await ask({ ...tokens, hitsAddend: 10n });
    const giveBack = async (hits: bigint) =>
      await ask({ ...tokens, hitsAddend: hits, isNegativeHits: true });
    deepEqual((await giveBack(4n)).statuses.map(shown), [["OK", 4, 10]]);
    const { overallCode, statuses } = await giveBack(100n);
    deepEqual([wordOf(overallCode), statuses.map(shown)], ["OK", [["OK", 10, 10]]]);
    deepEqual((await ask(tokens)).statuses.map(shown), [["OK", 9, 10]]);
  });
}

function runQuotaCases(ask: Ask, codes: Codes): void {
  const quotas = (hitsAddend?: bigint) => {
    const value = randomUUID();
    return ["one", "two"].map((key) => ({
      entries: [
        { key: "service", value },
        { key, value: "" },
      ],
      ...(hitsAddend !== undefined && { hitsAddend }),
    }));
  };

  test("quotas: a request passes while one of them has room", async () => {
    const both = quotas();
    equal(await codes(1, ...both), "OK");
    deepEqual((await ask(...both)).statuses.map(shown), [
      ["OK", 0, 1],
      ["OK", 0, 2],
    ]);
    const { overallCode, statuses } = await ask(...both);
    equal(wordOf(overallCode), "OVER");
    deepEqual(statuses.map(shown), [
      ["OVER", 0, 1],
      ["OVER", 0, 2],
    ]);
  });

  test("quotas that are looked at before and metered after, by the service that was used", async () => {
    const looked = quotas(0n);
    const served: string[] = [];
    for (let request = 0; request < 4; request += 1) {
      const { statuses } = await ask(...looked);
      const free = statuses.findIndex(({ limitRemaining }) => limitRemaining > 0);
      served.push(["none", "one", "two"][free + 1] ?? "");
      const used = looked[free];
      if (used !== undefined) await ask({ ...used, hitsAddend: 1n });
    }
    equal(await codes(1, ...looked), "OVER");
    deepEqual(served, ["one", "two", "two", "none"]);
  });

  test("quotas and limits: whichever refuses, nothing is spent of the others", async () => {
    const [both, user] = [quotas(), of("user")];
    equal(await codes(3, ...both, user), "OK OK OVER");
    deepEqual((await ask({ ...user, hitsAddend: 0n })).statuses.map(shown), [["OK", 1, 3]]);
    const [fresh, banned] = [quotas(), of("banned")];
    equal(await codes(2, ...fresh, banned), "OVER OVER");
    equal(await codes(3, ...fresh), "OK OK OVER");
  });
}

function runBadRequestCases(askEnvoy: AskEnvoy): void {
  const limit = { requestsPerUnit: 1, unit: RateLimitUnit.YEAR };
  const bad: Readonly<Record<string, MessageInitShape<typeof RateLimitRequestSchema>>> = {
    "rate limit domain must not be empty": { descriptors: [of("user")] },
    "rate limit descriptor list must not be empty": { domain: "cases" },
    "more than 100 descriptors": { domain: "cases", descriptors: Array(101).fill(of("user")) },
    "more than 64 entries": {
      domain: "cases",
      descriptors: [{ entries: Array(65).fill({ key: "a", value: "b" }) }],
    },
    "the limit's unit is not one": {
      domain: "cases",
      descriptors: [{ ...of("user"), limit: { ...limit, unit: RateLimitUnit.UNKNOWN } }],
    },
    "the limit's unit_multiplier must be greater than 0": {
      domain: "cases",
      descriptors: [{ ...of("user"), limit: { ...limit, unitMultiplier: 0 } }],
    },
    "a window is a year at most": {
      domain: "cases",
      descriptors: [{ ...of("user"), limit: { ...limit, unitMultiplier: 2 } }],
    },
  };
  for (const [message, request] of Object.entries(bad)) {
    test(`refused as invalid: ${message}`, async () => {
      await rejects(
        askEnvoy(request),
        (error) =>
          error instanceof MeshError && error.fault === "invalid" && error.message === message,
      );
    });
  }
}

function wordOf(code: Code): string {
  return code === Code.OK ? "OK" : code === Code.OVER_LIMIT ? "OVER" : "UNKNOWN";
}

function shown(status: RateLimitResponse["statuses"][number]) {
  const { code, limitRemaining, currentLimit } = status;
  return [wordOf(code), limitRemaining, currentLimit?.requestsPerUnit];
}
