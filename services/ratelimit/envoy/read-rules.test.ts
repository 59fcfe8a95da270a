import { deepEqual, equal, ok } from "node:assert/strict";
import { describe, test } from "node:test";
import { InvalidFiles } from "../files/invalid-files.js";
import { readRules } from "./read-rules.js";

const limit = "rate_limit: { unit: minute, requests_per_unit: 5 }";

describe("a file that is not one of limits is refused with its line", () => {
  /** Each case has the name of the file by which envoyproxy/ratelimit tests the same. */
  const cases: Readonly<Record<string, readonly [text: string, ...problems: readonly string[]]>> = {
    bad_limit_unit: [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      unit: foo\n      requests_per_unit: 5",
      "f.yaml:5: invalid rate limit unit 'foo'",
    ],
    "bad_limit_unit, none at all": [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      requests_per_unit: 5",
      "f.yaml:5: invalid rate limit unit ''",
    ],
    duplicate_key: [
      "domain: d\ndescriptors:\n  - key: a\n    value: b\n\n  - key: a\n    value: b",
      "f.yaml:6: duplicate descriptor composite key 'd.a_b'",
    ],
    empty_domain: ["descriptors:", "f.yaml:1: config file cannot have empty domain"],
    empty_key: ["domain: d\ndescriptors:\n  - value: a", "f.yaml:3: descriptor has empty key"],
    misspelled_key: [
      "domain: d\ndescriptors:\n  - key: a\n    ratelimit:\n      unit: day",
      "f.yaml:4: unknown key 'ratelimit'",
    ],
    misspelled_key2: [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      unit: day\n      requestsperunit: 5",
      "f.yaml:6: unknown key 'requestsperunit'",
    ],
    "a key of a limit beside it": [
      "domain: d\ndescriptors:\n  - key: a\n    unit: day",
      "f.yaml:4: unknown key 'unit', which belongs in rate_limit",
    ],
    non_map_list: [
      "domain: d\ndescriptors:\n  - a\n  - b",
      'f.yaml:3: descriptors: expected a list of maps, not "a"',
      'f.yaml:4: descriptors: expected a list of maps, not "b"',
    ],
    "descriptors that are no list": [
      "domain: d\ndescriptors: { key: a }",
      "f.yaml:2: descriptors: expected a list, not a map",
    ],
    non_string_key: ["domain: d\n0.25: d", "f.yaml:2: a key must be a text; 0.25 is none"],
    replaces_empty: [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      name: self\n      replaces:\n        - name:\n      unit: day",
      "f.yaml:7: should not have an empty replaces entry",
    ],
    replaces_self: [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      name: self\n      replaces:\n        - name: self\n      unit: day",
      "f.yaml:7: replaces should not contain name of same descriptor",
    ],
    unlimited_with_unit: [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      unlimited: true\n      unit: day",
      "f.yaml:6: should not specify rate limit unit when unlimited",
    ],
    "share_threshold without a wildcard": [
      `domain: d\ndescriptors:\n  - key: a\n    value: b\n    share_threshold: true\n    ${limit}`,
      "f.yaml:5: share_threshold needs a value that ends with '*', not 'a_b'",
    ],
    "a number that is none": [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      unit: day\n      requests_per_unit: -1",
      "f.yaml:6: requests_per_unit: expected a whole number in 0..4294967295, not -1",
    ],
    "a flag that is none": [
      "domain: d\ndescriptors:\n  - key: a\n    shadow_mode: perhaps",
      'f.yaml:4: shadow_mode: expected true or false, not "perhaps"',
    ],
    "an unknown algorithm": [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      unit: day\n      algorithm: leaky",
      'f.yaml:6: algorithm: expected one of fixed_window, sliding_window, token_bucket, not "leaky"',
    ],
    "a burst of a window": [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      unit: day\n      burst: 5",
      "f.yaml:6: burst needs 'algorithm: token_bucket'",
    ],
    "a bucket that cannot be exact": [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      unit: year\n      requests_per_unit: 7\n      algorithm: token_bucket\n      burst: 4000000000",
      "f.yaml:8: a token bucket of this size and length cannot be counted exactly",
    ],
    "a window over a year": [
      "domain: d\ndescriptors:\n  - key: a\n    rate_limit:\n      unit: month\n      unit_multiplier: 13",
      "f.yaml:6: a window is a year at most",
    ],
    "something else entirely": ["- a", "f.yaml:1: expected a map with domain and descriptors"],
  };
  for (const [name, [text, ...problems]] of Object.entries(cases)) {
    test(name, () => deepEqual(problemsOf(text), problems));
  }

  test("bad_yaml", () => {
    const [problem, ...more] = problemsOf("'''\n");
    ok(problem?.startsWith("f.yaml:"), problem);
    deepEqual(more, []);
  });

  test("duplicate_domain", () => {
    const files = ["a.yaml", "b.yaml"].map((file) => ({ file, text: "\ndomain: d" }));
    deepEqual(
      refusalOf(() => readRules(files)),
      ["b.yaml:2: duplicate domain 'd' in config file"],
    );
  });

  test("all that is wrong is told at once", () => {
    equal(problemsOf("domain: \ndescriptors:\n  - value: a\n    unit: day\n  - 7").length, 4);
  });
});

test("files of one domain are merged where that is wanted, and still have no key twice", () => {
  const files = ["a", "b"].map((key) => ({
    file: `${key}.yaml`,
    text: `domain: d\ndescriptors:\n  - key: ${key}\n    ${limit}`,
  }));
  const merged = readRules(files, { mergeDomains: true }).get("d");
  ok(merged?.has("a") === true && merged.has("b"));
  const twice = [...files, { file: "c.yaml", text: files[0]?.text ?? "" }];
  deepEqual(
    refusalOf(() => readRules(twice, { mergeDomains: true })),
    ["c.yaml:3: duplicate descriptor composite key 'd.a'"],
  );
});

test("values that YAML takes for numbers or flags are read as they are written", () => {
  const level = levelOf(`descriptors:\n  - { key: 1, value: 1.0 }\n  - { key: on, value: true }`);
  ok(level.has("1_1.0") && level.has("on_true"));
});

test("a limit has the window of its unit, in any case and any number of them", () => {
  const windows = {
    second: 1_000,
    MINUTE: 60_000,
    Hour: 3_600_000,
    day: 86_400_000,
    week: 604_800_000,
    month: 2_592_000_000,
    year: 31_536_000_000,
  };
  for (const [unit, windowMs] of Object.entries(windows)) {
    const quota = quotaOf(`{ unit: ${unit}, requests_per_unit: 7 }`);
    deepEqual(quota, { algorithm: "fixed_window", units: 7, windowMs });
  }
  deepEqual(quotaOf("{ unit: second, requests_per_unit: 7, unit_multiplier: 30 }"), {
    algorithm: "fixed_window",
    units: 7,
    windowMs: 30_000,
  });
});

test("a limit may be a sliding window or a token bucket with a burst", () => {
  deepEqual(quotaOf("{ unit: day, requests_per_unit: 7, algorithm: sliding_window }"), {
    algorithm: "sliding_window",
    units: 7,
    windowMs: 86_400_000,
  });
  const bucket = { algorithm: "token_bucket", perWindow: 1, windowMs: 6_000 } as const;
  const terms = "unit: minute, requests_per_unit: 10, algorithm: token_bucket";
  deepEqual(quotaOf(`{ ${terms} }`), { ...bucket, burst: 10 });
  deepEqual(quotaOf(`{ ${terms}, burst: 50 }`), { ...bucket, burst: 50 });
});

test("a limit may have a lease, of no more than can be spent at once", () => {
  const terms = "unit: minute, requests_per_unit: 10, algorithm: token_bucket, burst: 50";
  const text = `descriptors: [{ key: a, rate_limit: { ${terms}, lease: 50 } }]`;
  equal(levelOf(text).find("a", "")?.node.limit?.lease, 50);
  const file = (limit: string) => `domain: d
descriptors:
  - key: a
    rate_limit: { ${limit} }
`;
  deepEqual(problemsOf(file("unit: minute, requests_per_unit: 10, lease: 11")), [
    "f.yaml:4: lease: expected no more than the limit, 10",
  ]);
  deepEqual(problemsOf(file("unlimited: true, lease: 1")), [
    "f.yaml:4: should not specify lease when unlimited",
  ]);
});

test("a limit of 0, or without a number, lets nothing pass, and an unlimited one everything", () => {
  equal(quotaOf("{ unit: day, requests_per_unit: 0 }"), "none");
  equal(quotaOf("{ unit: day }"), "none");
  equal(quotaOf("{ unlimited: true }"), "unlimited");
});

function problemsOf(text: string): readonly string[] {
  return refusalOf(() => readRules([{ file: "f.yaml", text }]));
}

function refusalOf(read: () => unknown): readonly string[] {
  try {
    read();
  } catch (error) {
    if (error instanceof InvalidFiles) return error.problems;
    throw error;
  }
  throw new Error("the files were accepted");
}

function levelOf(text: string) {
  const level = readRules([{ file: "f.yaml", text: `domain: d\n${text}` }]).get("d");
  ok(level !== undefined);
  return level;
}

function quotaOf(limit: string) {
  return levelOf(`descriptors:\n  - key: a\n    rate_limit: ${limit}`).find("a", "")?.node.limit
    ?.quota;
}
