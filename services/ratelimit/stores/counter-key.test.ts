import { equal, match, notEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import type { Quota } from "../algorithms/quota.js";
import { extendKey, keyPrefixOf } from "./counter-key.js";

const quota: Quota = { algorithm: "token_bucket", perWindow: 1, windowMs: 20, burst: 100 };

test("a key says whose it is in plain text", () => {
  const prefix = keyPrefixOf(["policy", "requests-per-ip", "ip"], quota);
  equal(extendKey(prefix, "203.0.113.7"), "policy|requests-per-ip|ip|tb 1/20+100|203.0.113.7");
});

test("long and binary parts are hashed, so a key has a bounded length and no special characters", () => {
  for (const part of ["x".repeat(65), "x".repeat(10_000), "a\u0000b", "é", "a|b", "#a", "{a}"]) {
    const key = extendKey("prefix", part);
    match(key, /^prefix\|#[A-Za-z0-9_-]{43}$/);
  }
  equal(extendKey("prefix", "x".repeat(64)), `prefix|${"x".repeat(64)}`);
});

test("every quota has keys of its own", () => {
  const quotas: Quota[] = [
    quota,
    { ...quota, burst: 101 },
    { ...quota, perWindow: 2 },
    { ...quota, windowMs: 21 },
    { algorithm: "sliding_window", units: 1, windowMs: 20 },
    { algorithm: "fixed_window", units: 1, windowMs: 20 },
    { algorithm: "fixed_window", units: 2, windowMs: 20 },
    { algorithm: "concurrency", slots: 1 },
    { algorithm: "concurrency", slots: 2 },
  ];
  equal(new Set(quotas.map((each) => keyPrefixOf(["rule"], each))).size, quotas.length);
});

test("different parts never make the same key, whatever separators they contain", (t) => {
  const { int, pick } = seeded(t);
  const pieces = [
    "a",
    "b",
    "|",
    "#",
    " ",
    "\\",
    "%7C",
    "tb 1/20+100",
    "x".repeat(33),
    "\u0000",
    "é",
  ];
  const partsOf = new Map<string, string>();
  for (let round = 0; round < 20_000; round += 1) {
    const parts = Array.from({ length: 2 + int(2) }, () =>
      Array.from({ length: int(4) }, () => pick(pieces)).join(""),
    );
    const key = parts.reduce(extendKey, "prefix");
    const known = partsOf.get(key);
    const shown = JSON.stringify(parts);
    ok(known === undefined || known === shown, `${known} and ${shown} share ${key}`);
    partsOf.set(key, shown);
  }
});

test("a part that looks like the hash of another is hashed itself", () => {
  const [, hash = ""] = extendKey("prefix", "é").split("|");
  notEqual(extendKey("prefix", hash), extendKey("prefix", "é"));
});
