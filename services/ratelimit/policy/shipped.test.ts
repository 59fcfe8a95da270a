import { deepEqual, equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../../lib/package-root.js";
import type { Quota } from "../algorithms/quota.js";
import { readFiles } from "../files/read-files.js";
import { describeQuota } from "./describe-quota.js";
import { defaultPolicyFile } from "./open-policy.js";
import { readPolicy } from "./read-policy.js";
import type { PolicyRule } from "./rule.js";

const strictPolicyFile = join(packageRoot, "policies/strict.yaml");

test("the default limits are those of the documents", async () => {
  const rules = await rulesOf(defaultPolicyFile);
  deepEqual(rules.map(summaryOf), [
    ["requests-per-ip", "requests", "ip", "", { perSecond: 50, burst: 100 }],
    ["tokens-per-ip", "tokens", "ip", "", { perMinute: 1_000_000, burst: 1_000_000 }],
    ["free-requests", "requests", "caller", "free", { perMinute: 10, burst: 10 }],
    ["premium-requests", "requests", "caller", "premium", { perMinute: 100, burst: 100 }],
    ["external-requests", "requests", "caller", "external", { perMinute: 60, burst: 60 }],
    ["external-tokens", "tokens", "caller", "external", { perMinute: 100_000, burst: 100_000 }],
    ["internal-requests", "requests", "caller", "internal", { perMinute: 600, burst: 600 }],
    ["internal-tokens", "tokens", "caller", "internal", { perMinute: 1_000_000, burst: 1_000_000 }],
    ["requests-per-provider", "requests", "provider", "", { perSecond: 300, burst: 500 }],
    ["requests-of-all", "requests", "", "", { perSecond: 1_000, burst: 2_000 }],
  ]);
  deepEqual(
    rules.filter(exemptsLoopback).map(({ name }) => name),
    ["requests-per-ip", "tokens-per-ip", "requests-of-all"],
  );
  ok(rules.every(({ onStoreFailure, isShadow }) => onStoreFailure === "degrade" && !isShadow));
});

test("the strict limits are the same for everyone", async () => {
  const strict = await rulesOf(strictPolicyFile);
  deepEqual(strict.filter(exemptsLoopback), []);
  const defaults = await rulesOf(defaultPolicyFile, { RATELIMIT_EXEMPT_LOOPBACK: "false" });
  deepEqual(strict, defaults);
});

test("every number can be changed by the environment", async () => {
  const variables = [
    "RATELIMIT_REQUESTS_PER_SECOND",
    "RATELIMIT_REQUESTS_BURST",
    "RATELIMIT_TOKENS_PER_MINUTE",
    "RATELIMIT_FREE_REQUESTS_PER_MINUTE",
    "RATELIMIT_PREMIUM_REQUESTS_PER_MINUTE",
    "RATELIMIT_EXTERNAL_REQUESTS_PER_MINUTE",
    "RATELIMIT_EXTERNAL_TOKENS_PER_MINUTE",
    "RATELIMIT_INTERNAL_REQUESTS_PER_MINUTE",
    "RATELIMIT_INTERNAL_TOKENS_PER_MINUTE",
    "RATELIMIT_PROVIDER_REQUESTS_PER_SECOND",
    "RATELIMIT_PROVIDER_REQUESTS_BURST",
    "RATELIMIT_GLOBAL_REQUESTS_PER_SECOND",
    "RATELIMIT_GLOBAL_REQUESTS_BURST",
  ];
  for (const path of [defaultPolicyFile, strictPolicyFile]) {
    const before = await rulesOf(path);
    for (const variable of variables) {
      const rules = await rulesOf(path, { [variable]: "7" });
      equal(
        rules.filter((rule, index) => !isSame(rule.quota, before[index]?.quota)).length,
        1,
        variable,
      );
    }
    const all = await rulesOf(path, Object.fromEntries(variables.map((each) => [each, "7"])));
    ok(all.every(({ quota }) => quota.algorithm === "token_bucket" && quota.burst === 7));
  }
});

test("the table of the documents has the limits of the file", async () => {
  const document = readFileSync(join(packageRoot, "docs/limits.md"), "utf8");
  const table = /<!-- shipped limits.*?-->([\s\S]*)<!-- end of shipped limits -->/.exec(
    document,
  )?.[1];
  const told = [...(table ?? "").matchAll(/^\| `(.+)` \| .* \| (.+) \| (.+) \|$/gm)];
  const text = readFileSync(defaultPolicyFile, "utf8");
  const variablesOf = text.split("- name:").map((entry) => [...entry.matchAll(/\$\{(\w+):-/g)]);
  const rules = await rulesOf(defaultPolicyFile);
  deepEqual(
    told.map(([, name, quota, variables]) => [name, quota, variables]),
    rules.map(({ name, quota }, index) => {
      const variables = variablesOf[index + 1]?.map(([, variable = ""]) => variable) ?? [];
      const numbers = variables.filter((variable) => !variable.includes("EXEMPT"));
      return [name, describeQuota(quota), numbers.map((variable) => `\`${variable}\``).join(", ")];
    }),
  );
});

test("the example of the documents is a policy", () => {
  const document = readFileSync(join(packageRoot, "docs/limits.md"), "utf8");
  const [, text = ""] = /```yaml\n([\s\S]*?)```/.exec(document) ?? [];
  const rules = readPolicy([{ file: "example.yaml", text }], {});
  deepEqual(
    rules.map(({ name }) => name),
    ["trial-tokens", "in-work", "requests-of-a-user"],
  );
});

async function rulesOf(path: string, env: NodeJS.ProcessEnv = {}): Promise<readonly PolicyRule[]> {
  return readPolicy(await readFiles(path), env);
}

function summaryOf({ name, counts, per, when, quota }: PolicyRule) {
  const tiers = when.flatMap(({ attribute, values }) =>
    attribute === "tier" ? [...values] : ["?"],
  );
  return [name, counts, per.join(), tiers.join(), rateOf(quota)];
}

function rateOf(quota: Quota) {
  if (quota.algorithm !== "token_bucket") return quota;
  const perSecond = (quota.perWindow * 1_000) / quota.windowMs;
  const { burst } = quota;
  return perSecond >= 50 && perSecond <= 1_000 && Number.isInteger(perSecond)
    ? { perSecond, burst }
    : { perMinute: Math.round(perSecond * 60), burst };
}

function exemptsLoopback({ except }: PolicyRule): boolean {
  return except.some(({ isLoopback }) => isLoopback);
}

function isSame(a: Quota, b: Quota | undefined): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
