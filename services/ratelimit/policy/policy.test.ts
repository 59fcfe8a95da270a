import { deepEqual, equal, notEqual } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import { policyOf } from "../../../test/support/ratelimit-service.js";
import { type Attributes, attributesOf } from "./attributes.js";
import { ipNetworkOf } from "./ip-network.js";
import type { Policy } from "./policy.js";

const rule = "counts: requests, quota: 5, window: 1s";

test("a rule applies to whom it names, in every way it can name them", () => {
  const table: [fields: string, who: Partial<Who>, applies: boolean][] = [
    ["per: []", {}, true],
    ["per: [api_key]", {}, false],
    ["per: [api_key]", { apiKey: "k" }, true],
    ["per: [ip, user]", { user: "u" }, true],
    ["per: [ip, user]", {}, false],
    ["per: [], when: { tier: free }", { tier: "free" }, true],
    ["per: [], when: { tier: free }", { tier: "freed" }, false],
    ["per: [], when: { tier: free }", {}, false],
    ["per: [], when: { tier: [free, premium] }", { tier: "premium" }, true],
    ['per: [], when: { model: "bge-*" }', { model: "bge-small" }, true],
    ['per: [], when: { model: "bge-*" }', { model: "bge-" }, true],
    ['per: [], when: { model: "bge-*" }', { model: "all-bge-small" }, false],
    ['per: [], when: { model: "*" }', { model: "x" }, true],
    ['per: [], when: { model: "*" }', {}, false],
    ["per: [], when: { tier: free, model: m }", { tier: "free", model: "m" }, true],
    ["per: [], when: { tier: free, model: m }", { tier: "free", model: "n" }, false],
    ["per: [], when: { tier: 1.0 }", { tier: "1.0" }, true],
    ["per: [], except: { tier: free }", { tier: "free" }, false],
    ["per: [], except: { tier: free }", {}, true],
    ["per: [], except: { tier: free, model: m }", { model: "m" }, false],
    ["per: [], when: { ip: 203.0.113.7 }", { ip: "::ffff:203.0.113.7" }, true],
    ["per: [], when: { ip: 203.0.113.7 }", { ip: "203.0.113.8" }, false],
    ['per: [], when: { ip: "203.0.113.*" }', { ip: "203.0.113.8" }, true],
    ['per: [], when: { ip: "2001:db8::1" }', { ip: "2001:db8::2" }, true],
    ['per: [], when: { ip: "2001:db8::1" }', { ip: "2001:db8:1::2" }, false],
    ["per: [], when: { ip: loopback }", { ip: "127.1.2.3" }, true],
    ["per: [], when: { ip: loopback }", {}, false],
    ["per: [ip], except: { ip: loopback }", { ip: "::1" }, false],
    ["per: [ip], exempt_loopback: true", { ip: "::ffff:127.0.0.1" }, false],
    ["per: [ip], exempt_loopback: true", {}, true],
    ["per: [ip], exempt_loopback: false", { ip: "127.0.0.1" }, true],
    ["per: [], when: { tier: loopback }", { ip: "127.0.0.1" }, false],
    ["per: [provider, route]", { provider: "p", route: "POST /embed" }, true],
  ];
  for (const [fields, who, applies] of table) {
    const keys = keysOf(policyOf(`  - { name: a, ${rule}, ${fields} }`), who);
    equal(keys.length, applies ? 1 : 0, `${fields} ${JSON.stringify(who)}`);
  }
});

test("neighbours in a /64 share a counter, other networks do not", () => {
  const policy = policyOf(`  - { name: a, ${rule}, per: [ip] }`);
  const keyOf = (ip: string) => keysOf(policy, { ip })[0];
  equal(keyOf("2001:db8::1"), keyOf("2001:db8::ffff:0:1"));
  equal(keyOf("::ffff:203.0.113.7"), keyOf("203.0.113.7"));
  notEqual(keyOf("2001:db8::1"), keyOf("2001:db8:0:1::1"));
  notEqual(keyOf("203.0.113.7"), keyOf("203.0.113.8"));
});

test("a caller is its key, or its address, and never a name that it gives itself", () => {
  const policy = policyOf(`  - { name: a, ${rule}, per: [caller] }`);
  const keyOf = (who: Partial<Who>) => keysOf(policy, who)[0];
  equal(keyOf({ apiKey: "k", ip: "203.0.113.8" }), keyOf({ apiKey: "k" }));
  equal(keyOf({ user: "u" }), keyOf({ user: "v" }));
  notEqual(keyOf({}), keyOf({ ip: "203.0.113.8" }));
  notEqual(keyOf({ apiKey: "203.0.113.7" }), keyOf({}));
  notEqual(keyOf({ apiKey: " 203.0.113.7" }), keyOf({ apiKey: "203.0.113.7" }));
});

test("rules are kept apart by what they count and by whether they count in earnest", () => {
  const policy = policyOf(`
  - { name: r, counts: requests, per: [], quota: 1, window: 1s }
  - { name: t, counts: tokens, per: [], quota: 1, window: 1s, shadow: true }
  - { name: c, counts: concurrent_requests, per: [], quota: 1 }`);
  const shapeOf = (rules: Policy["enforced"] | undefined) => [
    rules?.requests.length,
    rules?.tokens.length,
    rules?.concurrent_requests.length,
  ];
  deepEqual(shapeOf(policy.enforced), [1, 0, 1]);
  deepEqual(shapeOf(policy.shadow), [0, 1, 0]);
  equal(policyOf("  []").shadow, undefined);
  deepEqual(
    [...policy.countedOf],
    [
      ["r", "requests"],
      ["t", "tokens"],
      ["c", "concurrent_requests"],
    ],
  );
});

test("two rules, or two callers of a rule, never share a counter", (t) => {
  const { int, pick } = seeded(t);
  const names = ["a", "b", "a-ip"];
  const perOf = [
    "[]",
    "[ip]",
    "[api_key]",
    "[user]",
    "[api_key, user]",
    "[user, api_key]",
    "[caller]",
  ];
  const texts = ["", "a", "|", "a|b", "b", "203.0.113.7", "#", "ip", "x".repeat(70)];
  const owners = new Map<string, string>();
  for (let round = 0; round < 5_000; round += 1) {
    const [name, per, quota] = [pick(names), pick(perOf), 1 + int(2)];
    const policy = policyOf(
      `  - { name: ${name}, counts: requests, per: ${per}, quota: ${quota}, window: 1s }`,
    );
    const who = {
      apiKey: pick(texts),
      user: pick(texts),
      ip: pick(["203.0.113.7", "203.0.113.8"]),
    };
    const [key] = keysOf(policy, who);
    if (key === undefined) continue;
    const { apiKey, user, ip } = who;
    const counted: Record<string, unknown[]> = {
      "[]": [],
      "[ip]": [ip],
      "[api_key]": [apiKey],
      "[user]": [user],
      "[api_key, user]": [apiKey, user],
      "[user, api_key]": [user, apiKey],
      "[caller]": [apiKey === "" ? "ip" : "key", apiKey === "" ? ip : apiKey],
    };
    const owner = JSON.stringify([name, per, quota, counted[per]]);
    equal(owners.get(key) ?? owner, owner, key);
    owners.set(key, owner);
  }
});

test("a key is short and plain, whatever a caller sends", () => {
  const policy = policyOf(
    `  - { name: a, ${rule}, per: [ip, api_key, user, tier, model, provider, route, caller] }`,
  );
  const wild = "\u0000{|}\ud800é".repeat(1_000);
  const who = { apiKey: wild, user: wild, tier: wild, model: wild, provider: wild, route: wild };
  const [key = ""] = keysOf(policy, who);
  equal(/^[\x20-\x7e]{1,600}$/.test(key), true);
});

interface Who {
  readonly ip: string;
  readonly apiKey: string;
  readonly user: string;
  readonly tier: string;
  readonly model: string;
  readonly provider: string;
  readonly route: string;
}

function keysOf(policy: Policy, who: Partial<Who>): string[] {
  return policy.enforced.requests.flatMap((apply) => apply(attributes(who))?.key ?? []);
}

function attributes({ ip = "203.0.113.7", ...who }: Partial<Who>): Attributes {
  const network = ipNetworkOf(ip) ?? { name: "", isLoopback: false };
  const unknown = { apiKey: "", user: "", tier: "", model: "", provider: "", route: "" };
  return attributesOf({ ...unknown, ...who }, network);
}
