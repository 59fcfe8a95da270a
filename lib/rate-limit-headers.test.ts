import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { parseList } from "structured-headers";
import { LimitSchema, Unit } from "../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { seeded } from "../test/support/random.js";
import { tellLimits } from "./rate-limit-headers.js";

type LimitInit = MessageInitShape<typeof LimitSchema>;

function told(
  requests: readonly LimitInit[],
  tokens: readonly LimitInit[] = [],
  isDegraded = false,
): Record<string, string> {
  const headers: Record<string, string> = {};
  const toLimit = (init: LimitInit) => create(LimitSchema, init);
  const record = { requests: requests.map(toLimit), tokens: tokens.map(toLimit), isDegraded };
  tellLimits(record, (name, value) => {
    headers[name] = value;
  });
  return headers;
}

const perIp = {
  ...{ name: "per-ip", unit: Unit.REQUESTS, quota: 100n, windowMs: 2_000n },
  ...{ remaining: 50n, resetMs: 1_001n, retryAfterMs: 0n },
};
const perMinute = {
  ...{ name: "per-minute", unit: Unit.TOKENS, quota: 1_000_000n, windowMs: 60_000n },
  ...{ remaining: 0n, resetMs: 59_000n, retryAfterMs: 0n },
};
const slots = {
  ...{ name: "slots", unit: Unit.CONCURRENT_REQUESTS, quota: 4n, windowMs: 0n },
  ...{ remaining: 3n, resetMs: 0n, retryAfterMs: 0n },
};

test("nothing is told where no limit applies", () => {
  deepEqual(told([]), {});
  tellLimits(undefined, () => ok(false));
});

test("policies have their quota, unit and window; states what is left and when it is whole, rounded up", () => {
  deepEqual(told([perIp, slots], [perMinute]), {
    "ratelimit-policy": [
      '"per-ip";q=100;qu="requests";w=2',
      '"slots";q=4;qu="concurrent-requests"',
      '"per-minute";q=1000000;qu="tokens";w=60',
    ].join(", "),
    ratelimit: '"per-ip";r=50;t=2, "slots";r=3, "per-minute";r=0;t=59',
  });
});

test("a window shorter than a second is told as one: the draft has no other, and none of zero", () => {
  equal(
    told([{ ...perIp, windowMs: 20n }])["ratelimit-policy"],
    '"per-ip";q=100;qu="requests";w=1',
  );
});

test("of a refusal only the limits that refuse have a time, so that Retry-After is before none", () => {
  const refusing = { ...perMinute, retryAfterMs: 1_500n };
  equal(told([perIp], [refusing]).ratelimit, '"per-ip";r=50, "per-minute";r=0;t=2');
  const full = { ...slots, remaining: 0n, retryAfterMs: 1_000n };
  equal(told([perIp, full]).ratelimit, '"per-ip";r=50, "slots";r=0;t=1');
  const { retryAfterMs: _, ...forGood } = perMinute;
  equal(told([perIp], [forGood]).ratelimit, '"per-ip";r=50, "per-minute";r=0');
});

test("decisions without the shared counters are told even where no limit was left to apply", () => {
  deepEqual(told([], [], true), { "x-ratelimit-degraded": "true" });
  equal(told([perIp], [], true)["x-ratelimit-degraded"], "true");
  equal(told([perIp])["x-ratelimit-degraded"], undefined);
});

test("of many limits the tightest are told, of both kinds", () => {
  const many = (count: number, limit: LimitInit): LimitInit[] =>
    Array.from({ length: count }, (_, at) => ({ ...limit, name: `${limit.name}${at}` }));
  const namesOf = (requests: number, tokens: number): string[] =>
    parseList(told(many(requests, perIp), many(tokens, perMinute)).ratelimit ?? "").map(([name]) =>
      String(name),
    );
  for (const [requests, tokens] of [
    [16, 0],
    [0, 40],
    [40, 40],
    [3, 40],
    [40, 3],
  ] as const) {
    const names = namesOf(requests, tokens);
    equal(names.length, 16, `${requests} and ${tokens}`);
    const told = names.filter((name) => name.startsWith("per-ip")).length;
    ok(told >= Math.min(requests, 8) && names.length - told >= Math.min(tokens, 8));
    if (requests > 0) equal(names[0], "per-ip0");
    if (tokens > 0) equal(names[told], "per-minute0");
  }
});

test("whatever a policy says, both fields are lists of RFC 9651 that say the same", (t) => {
  const { int, pick } = seeded(t);
  const characters = [
    "a",
    '"',
    "\\",
    " ",
    ";",
    ",",
    "=",
    "é",
    "\n",
    "\u0000",
    "\u007f",
    "😀",
    "\ud800",
  ];
  const amounts = [0n, 1n, 999n, 1_000n, 10n ** 15n - 1n, 10n ** 15n, 2n ** 64n - 1n];
  const randomLimit = (unit: Unit): LimitInit => ({
    name: Array.from({ length: int(200) }, () => pick(characters)).join(""),
    ...{ unit, quota: pick(amounts), remaining: pick(amounts) },
    ...{ resetMs: pick(amounts), windowMs: pick(amounts) },
    ...(int(3) > 0 && { retryAfterMs: pick(amounts) }),
  });
  for (let run = 0; run < 500; run += 1) {
    const requests = Array.from({ length: 1 + int(3) }, () =>
      randomLimit(pick([Unit.REQUESTS, Unit.CONCURRENT_REQUESTS])),
    );
    const tokens = Array.from({ length: int(4) }, () => randomLimit(Unit.TOKENS));
    const headers = told(requests, tokens);
    const read = (name: string) =>
      parseList(headers[name] ?? "").map(([item, parameters]) => ({
        item,
        ...Object.fromEntries(parameters),
      }));
    const limits = [...requests, ...tokens];
    deepEqual(read("ratelimit-policy"), limits.map(toPolicy));
    const states = read("ratelimit").map(({ t: seconds, ...state }: Record<string, unknown>) => {
      ok(seconds === undefined || Number.isSafeInteger(seconds));
      return state;
    });
    deepEqual(states, limits.map(toState));
  }
});

function toPolicy({ name = "", quota = 0n, unit, windowMs = 0n }: LimitInit) {
  const window = { w: asInteger((BigInt(windowMs) + 999n) / 1_000n) };
  const policy = { item: printable(name), q: asInteger(quota), qu: unitOf(unit) };
  return windowMs === 0n ? policy : { ...policy, ...window };
}

function toState({ name = "", remaining = 0n }: LimitInit) {
  return { item: printable(name), r: asInteger(remaining) };
}

function printable(name: string): string {
  return name.slice(0, 128).replace(/[^\x20-\x7e]/g, "?");
}

/** The largest that a structured field holds is all that can be said of what is more. */
function asInteger(value: bigint | number): number {
  return Math.min(Number(value), 999_999_999_999_999);
}

function unitOf(unit: Unit | undefined): string {
  if (unit === Unit.TOKENS) return "tokens";
  return unit === Unit.REQUESTS ? "requests" : "concurrent-requests";
}
