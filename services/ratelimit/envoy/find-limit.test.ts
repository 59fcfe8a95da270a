import { deepEqual, equal, notEqual, ok } from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { RateLimitDescriptorSchema } from "../../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js";
import { findLimit, metricPath } from "./find-limit.js";
import { readRules } from "./read-rules.js";

const text = `
domain: shop
descriptors:
  # A step without a limit, and below it a default and one value of its own.
  - key: tier
    value: gold
    descriptors:
      - { key: item, rate_limit: { unit: second, requests_per_unit: 1 } }
      - { key: item, value: book, rate_limit: { unit: second, requests_per_unit: 2 } }
  # A default, a value with its own limit, and a value without any.
  - { key: user, rate_limit: { unit: minute, requests_per_unit: 3 } }
  - { key: user, value: ann, rate_limit: { unit: minute, requests_per_unit: 4 } }
  - { key: user, value: root }
  # Limits on two levels.
  - key: host
    value: a
    rate_limit: { unit: day, requests_per_unit: 5 }
    descriptors:
      - { key: port, value: 80, rate_limit: { unit: day, requests_per_unit: 6 } }
  # Wildcards: the first that matches holds, after the exact value and before the key alone.
  - { key: path, value: "img/*", rate_limit: { unit: day, requests_per_unit: 7 } }
  - { key: path, value: "img/logo*", rate_limit: { unit: day, requests_per_unit: 8 } }
  - { key: path, value: img/logo.png, rate_limit: { unit: day, requests_per_unit: 9 } }
  - { key: path, rate_limit: { unit: day, requests_per_unit: 10 } }
  - { key: mid, value: "a*b", rate_limit: { unit: day, requests_per_unit: 11 } }
  - { key: any, value: "*", rate_limit: { unit: day, requests_per_unit: 12 } }
  - key: deep
    value: x
    descriptors:
      - { key: path, value: "go*", rate_limit: { unit: day, requests_per_unit: 13 } }
  # One counter for all that match.
  - { key: file, value: one, rate_limit: { unit: day, requests_per_unit: 14 } }
  - { key: file, value: "o*", share_threshold: true, rate_limit: { unit: day, requests_per_unit: 15 } }
  - key: dir
    value: "d/*"
    share_threshold: true
    descriptors:
      - key: name
        value: "n/*"
        descriptors:
          - { key: kind, rate_limit: { unit: day, requests_per_unit: 16 } }
  # What metrics name.
  - { key: detail, detailed_metric: true, rate_limit: { unit: day, requests_per_unit: 17 } }
  - key: outer
    value_to_metric: true
    descriptors:
      - { key: inner, rate_limit: { unit: day, requests_per_unit: 18 } }
  - { key: wild, value: "w*", value_to_metric: true, rate_limit: { unit: day, requests_per_unit: 19 } }
  - key: both
    value: "b*"
    share_threshold: true
    value_to_metric: true
    descriptors:
      - { key: end, detailed_metric: true, rate_limit: { unit: day, requests_per_unit: 20 } }
  - key: twice
    value: "t*"
    descriptors:
      - key: more
        value_to_metric: true
        descriptors:
          - { key: end, rate_limit: { unit: day, requests_per_unit: 21 } }
`;
const level = readRules([{ file: "shop.yaml", text }]).get("shop");

describe("a descriptor has the limit that is found for all of its entries", () => {
  const cases: readonly (readonly [path: string, requestsPerUnit: number | undefined])[] = [
    ["", undefined],
    ["tier=gold", undefined],
    ["tier=silver", undefined],
    ["tier=gold,item=pen", 1],
    ["tier=gold,item=book", 2],
    ["tier=gold,item=book,item=book", undefined],
    ["tier=silver,item=book", undefined],
    ["item=book", undefined],
    ["user=bob", 3],
    ["user=", 3],
    ["user=ann", 4],
    ["user=root", undefined],
    ["user=ann,item=book", undefined],
    ["host=a", 5],
    ["host=a,port=80", 6],
    ["host=a,port=81", undefined],
    ["path=img/a.png", 7],
    ["path=img/logo.svg", 7],
    ["path=img/logo.png", 9],
    ["path=css", 10],
    ["mid=axb", undefined],
    ["mid=a*b", 11],
    ["any=", 12],
    ["any=thing", 12],
    ["deep=x,path=gone", 13],
    ["deep=x,path=come", undefined],
    ["file=one", 14],
    ["file=other", 15],
  ];
  for (const [path, requestsPerUnit] of cases) {
    test(`${path || "no entries"}: ${requestsPerUnit ?? "none"}`, () => {
      equal(find(path)?.limit.shown.requestsPerUnit, requestsPerUnit);
    });
  }
});

test("every value has a counter of its own, also behind a wildcard", () => {
  for (const [one, other] of [
    ["user=bob", "user=eve"],
    ["path=img/a", "path=img/b"],
    ["tier=gold,item=pen", "tier=gold,item=pin"],
  ] as const) {
    equal(find(one)?.key, find(one)?.key);
    notEqual(find(one)?.key, find(other)?.key);
  }
});

test("values that share a threshold share a counter, and the others do not", () => {
  equal(find("file=other")?.key, find("file=ox")?.key);
  notEqual(find("file=one")?.key, find("file=ox")?.key);
  equal(find("dir=d/1,name=n/1,kind=k")?.key, find("dir=d/2,name=n/1,kind=k")?.key);
  notEqual(find("dir=d/1,name=n/1,kind=k")?.key, find("dir=d/1,name=n/2,kind=k")?.key);
});

test("what keys and values have in them does not mix up counters", () => {
  notEqual(keyOf("user", "a|user|b"), keyOf("user", "a"));
  const long = "x".repeat(10_000);
  const keys = [keyOf("user", long), keyOf("user", `${long}y`), keyOf("user", "\u0000{ü}")];
  equal(new Set(keys).size, 3);
  ok(keys.every((key) => key.length <= 200 && /^[ -~]+$/.test(key)));
});

test("another domain or another quota is another counter", () => {
  const other = (from: string, to: string) => {
    const rules = readRules([{ file: "f.yaml", text: text.replace(from, to) }]);
    const [changed] = rules.values();
    ok(changed !== undefined);
    return findLimit(changed, entriesOf("user=bob"))?.key;
  };
  notEqual(other("domain: shop", "domain: mart"), find("user=bob")?.key);
  notEqual(other("requests_per_unit: 3 ", "requests_per_unit: 33 "), find("user=bob")?.key);
  equal(other("requests_per_unit: 4 ", "requests_per_unit: 44 "), find("user=bob")?.key);
});

describe("metrics name the path as the file has it, and values where it says so", () => {
  const cases = {
    "user=bob": ["user"],
    "user=ann": ["user_ann"],
    "path=img/a": ["path_img/*"],
    "tier=gold,item=pen": ["tier_gold", "item"],
    "file=ox": ["file_o*"],
    "dir=d/1,name=n/1,kind=k": ["dir_d/*", "name_n/*", "kind"],
    "detail=v": ["detail_v"],
    "outer=o,inner=i": ["outer_o", "inner"],
    "wild=wolf": ["wild_wolf"],
    "both=bear,end=e": ["both_b*", "end_e"],
    "twice=tea,more=m,end=e": ["twice_t*", "more_m", "end"],
  };
  for (const [path, expected] of Object.entries(cases)) {
    test(path, () => {
      const limit = find(path)?.limit;
      ok(limit !== undefined && level !== undefined);
      const isFixed = !limit.isDetailed && !limit.hasValuesInMetric;
      deepEqual(isFixed ? limit.path : metricPath(limit, level, entriesOf(path)), expected);
      if (isFixed) deepEqual(metricPath(limit, level, entriesOf(path)), expected);
    });
  }
});

function find(path: string) {
  ok(level !== undefined);
  return findLimit(level, entriesOf(path));
}

function keyOf(key: string, value: string): string {
  ok(level !== undefined);
  const { entries } = create(RateLimitDescriptorSchema, { entries: [{ key, value }] });
  return findLimit(level, entries)?.key ?? "";
}

/** `a=b,c=d` */
function entriesOf(path: string) {
  const entries = path.split(",").map((pair) => {
    const [key = "", value = ""] = pair.split("=");
    return { key, value };
  });
  return create(RateLimitDescriptorSchema, { entries: path === "" ? [] : entries }).entries;
}
