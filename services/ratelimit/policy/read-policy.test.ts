import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { InvalidFiles } from "../files/invalid-files.js";
import { readPolicy } from "./read-policy.js";

const rule = "counts: requests, per: [ip], quota: 5, window: 1s";

test("a limit is read with all its fields", () => {
  const [read] = readPolicy(
    [
      {
        file: "f.yaml",
        text: `
limits:
  - name: tokens-of-a-model
    counts: tokens
    per: [api_key, model]
    when: { tier: [free, "trial-*"], ip: "2001:DB8::1" }
    except: { ip: [loopback, 203.0.113.7] }
    algorithm: sliding_window
    quota: 1000
    window: 1d
    on_store_failure: refuse
    shadow: true
`,
      },
    ],
    {},
  );
  deepEqual(read, {
    name: "tokens-of-a-model",
    counts: "tokens",
    per: ["api_key", "model"],
    when: [
      { attribute: "tier", values: new Set(["free"]), prefixes: ["trial-"], isLoopback: false },
      {
        attribute: "ip",
        values: new Set(["2001:db8:0:0::/64"]),
        prefixes: [],
        isLoopback: false,
      },
    ],
    except: [{ attribute: "ip", values: new Set(["203.0.113.7"]), prefixes: [], isLoopback: true }],
    quota: { algorithm: "sliding_window", units: 1_000, windowMs: 86_400_000 },
    onStoreFailure: "refuse",
    lease: undefined,
    isShadow: true,
  });
});

test("what is not said is a token bucket of its quota that degrades with the store", () => {
  const [read] = limits(`{ name: a, counts: requests, per: [], quota: 7, window: 2s }`);
  deepEqual(read, {
    name: "a",
    counts: "requests",
    per: [],
    when: [],
    except: [],
    quota: { algorithm: "token_bucket", perWindow: 7, windowMs: 2_000, burst: 7 },
    onStoreFailure: "degrade",
    lease: undefined,
    isShadow: false,
  });
  const [slots] = limits("{ name: a, counts: concurrent_requests, per: [], quota: 7 }");
  deepEqual(slots?.quota, { algorithm: "concurrency", slots: 7 });
});

test("a rate is kept in smallest terms, so that it is counted exactly where that can be", () => {
  const quotaOf = (fields: string) =>
    limits(`{ name: a, counts: tokens, per: [], ${fields} }`)[0]?.quota;
  deepEqual(quotaOf("quota: 1000000, window: 1m"), {
    algorithm: "token_bucket",
    perWindow: 50,
    windowMs: 3,
    burst: 1_000_000,
  });
  deepEqual(quotaOf("quota: 1000000000000, window: 365d"), {
    algorithm: "token_bucket",
    perWindow: 62_500,
    windowMs: 1_971,
    burst: 1_000_000_000_000,
  });
  deepEqual(
    mistakes("{ name: a, counts: tokens, per: [], quota: 1, window: 365d, burst: 142809 }"),
    ["f.yaml:2: burst: one so large, refilled so slowly, cannot be counted exactly"],
  );
  ok(quotaOf("quota: 1, window: 365d, burst: 142808"));
});

test("windows go from a second to a year", () => {
  const windowOf = (window: string) => {
    const fields = `{ name: a, counts: tokens, per: [], algorithm: fixed_window, quota: 1, window: ${window} }`;
    const [read] = limits(fields);
    return read?.quota.algorithm === "fixed_window" && read.quota.windowMs;
  };
  const hourMs = 3_600_000;
  deepEqual(["1s", "90s", "1m", "12h", "1d", "1w", "365d"].map(windowOf), [
    1_000,
    90_000,
    60_000,
    12 * hourMs,
    24 * hourMs,
    168 * hourMs,
    8_760 * hourMs,
  ]);
  for (const window of ["0s", "366d", "9999999999s", "1", "1.5s", "1ms", "s", "-1s", "1 s", "1y"]) {
    const [problem = ""] = mistakes(
      `{ name: a, counts: tokens, per: [], quota: 1, window: ${window} }`,
    );
    ok(problem.startsWith("f.yaml:2: window: expected 1s..365d"), problem);
  }
});

test("a lease is of requests, and of no more than can be spent at once", () => {
  const [read] = limits(`{ name: a, ${rule}, burst: 9, lease: 9 }`);
  equal(read?.lease, 9);
  const text = `limits:
  - { name: a, ${rule}, lease: 6 }
  - { name: b, ${rule}, lease: 0 }
  - { name: c, counts: tokens, per: [], quota: 9, window: 1s, lease: 1 }
  - { name: d, counts: concurrent_requests, per: [], quota: 9, lease: 1 }
`;
  deepEqual(problemsOf(text), [
    "f.yaml:2: lease: expected a whole number in 1..5, found 6",
    "f.yaml:3: lease: expected a whole number in 1..5, found 0",
    "f.yaml:4: lease: tokens have none, requests have",
    "f.yaml:5: lease: concurrent requests have none, requests have",
  ]);
});

test("every mistake is told, with its line", () => {
  const text = `limits:
  - name: a
    counts: bytes
    per: [ip, ip, host]
    quota: 0
    window: 1s
  - { name: "a b", ${rule} }
  - { name: b, ${rule}, burst: 1.5 }
  - { name: b2, ${rule}, algorithm: leaky }
  - { name: b3, ${rule}, algorithm: fixed_window, burst: 1 }
  - { name: c, counts: concurrent_requests, per: [], quota: 1, window: 1s, algorithm: token_bucket }
  - { name: d, ${rule}, when: { colour: red } }
  - { name: d2, ${rule}, when: { tier: [] } }
  - { name: d3, ${rule}, when: { tier: {} } }
  - { name: d4, ${rule}, when: { tier: "f*e" } }
  - { name: d5, ${rule}, when: { ip: localhost } }
  - { name: d6, ${rule}, except: [ip] }
  - { name: e, ${rule}, on_store_failure: panic }
  - { name: f, ${rule}, shadow: maybe, exempt_loopback: 2 }
  - { name: g, ${rule}, limit: 5 }
  - { name: h, ${rule} }
  - { name: h, ${rule} }
  - {}
  - text
  - { name: i, ${rule}, burst: "\${SECRET}" }
other: 1
`;
  deepEqual(problemsOf(text, { SECRET: "hunter2" }), [
    'f.yaml:3: counts: expected one of requests, tokens, concurrent_requests, found "bytes"',
    "f.yaml:4: per: ip twice",
    'f.yaml:4: per: expected one of ip, api_key, user, tier, model, provider, route, caller, found "host"',
    'f.yaml:7: name: expected letters, digits and . _ - in it, found "a b"',
    "f.yaml:8: burst: expected a whole number in 1..1000000000000, found 1.5",
    'f.yaml:9: algorithm: expected one of token_bucket, sliding_window, fixed_window, found "leaky"',
    "f.yaml:10: burst: a fixed_window has none, a token_bucket has",
    'f.yaml:11: algorithm: expected one of concurrency, found "token_bucket"',
    "f.yaml:11: window: concurrent requests have none",
    'f.yaml:12: when: expected one of ip, api_key, user, tier, model, provider, route, found "colour"',
    "f.yaml:13: tier: expected 1..1000 values, found 0",
    "f.yaml:14: tier: expected a text, found a map",
    "f.yaml:15: tier: a * only stands at the end",
    'f.yaml:16: ip: expected an address, loopback or a trailing *, found "localhost"',
    "f.yaml:17: expected a map, found a list",
    'f.yaml:18: on_store_failure: expected one of allow, refuse, degrade, found "panic"',
    "f.yaml:19: exempt_loopback: expected true or false, found 2",
    'f.yaml:19: shadow: expected true or false, found "maybe"',
    'f.yaml:20: unknown field "limit", expected one of name, counts, per, when, except, exempt_loopback, algorithm, quota, window, burst, on_store_failure, lease, shadow',
    "f.yaml:22: name: h is in f.yaml:21 already",
    "f.yaml:23: name: missing",
    "f.yaml:23: counts: missing, one of requests, tokens, concurrent_requests",
    "f.yaml:23: per: missing, a list of ip, api_key, user, tier, model, provider, route, caller; [] is everyone",
    'f.yaml:24: expected a map, found "text"',
    "f.yaml:25: burst: expected a whole number in 1..1000000000000, found the value of SECRET",
    'f.yaml:26: unknown field "other", expected one of limits',
  ]);
});

test("a file that is something else is refused", () => {
  deepEqual(problemsOf(""), ["f.yaml:1: expected a map, found nothing"]);
  deepEqual(problemsOf("- a"), ["f.yaml:1: expected a map, found a list"]);
  deepEqual(problemsOf("{}"), ["f.yaml:1: limits: missing"]);
  deepEqual(problemsOf("limits:"), ["f.yaml:1: expected a list, found nothing"]);
  deepEqual(problemsOf("limits: [}"), [
    "f.yaml:1: Flow sequence in block collection must be sufficiently indented and end with a ]",
  ]);
  deepEqual(readPolicy([{ file: "f.yaml", text: "limits: []" }], {}), []);
});

test("limits of several files are one policy, of a bounded size", () => {
  const file = (name: string, ...names: string[]) => ({
    file: name,
    text: `limits:\n${names.map((each) => `  - { name: ${each}, ${rule} }`).join("\n")}\n`,
  });
  equal(readPolicy([file("a.yaml", "a"), file("b.yaml", "b")], {}).length, 2);
  deepEqual(
    thrown(() => readPolicy([file("a.yaml", "a"), file("b.yaml", "b", "a")], {})),
    ["b.yaml:3: name: a is in a.yaml:2 already"],
  );
  const names = Array.from({ length: 257 }, (_, index) => `n${index}`);
  equal(readPolicy([file("a.yaml", ...names.slice(1))], {}).length, 256);
  deepEqual(
    thrown(() => readPolicy([file("a.yaml", ...names)], {})),
    ["a.yaml:258: more than 256 limits"],
  );
});

function limits(...entries: readonly string[]) {
  return readPolicy([{ file: "f.yaml", text: textOf(entries) }], {});
}

function mistakes(...entries: readonly string[]): readonly string[] {
  return problemsOf(textOf(entries));
}

function textOf(entries: readonly string[]): string {
  return `limits:\n${entries.map((entry) => `  - ${entry}`).join("\n")}\n`;
}

function problemsOf(text: string, env: NodeJS.ProcessEnv = {}): readonly string[] {
  return thrown(() => readPolicy([{ file: "f.yaml", text }], env));
}

function thrown(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    ok(error instanceof InvalidFiles);
    return error.problems;
  }
  return [];
}
