import { describeQuota } from "./describe-quota.js";
import type { Condition, PolicyRule } from "./rule.js";
import { table } from "./table.js";

const headings = [
  "name",
  "counts",
  "per",
  "quota",
  "when",
  "except",
  "without store",
  "lease",
  "mode",
];

/** The rules of a policy, one a line. */
export function describePolicy(rules: readonly PolicyRule[]): string {
  return table(
    headings,
    rules.map((rule) => [
      rule.name,
      rule.counts,
      rule.per.join("+") || "everyone",
      describeQuota(rule.quota),
      rule.when.map(describeCondition).join(" "),
      rule.except.map(describeCondition).join(" "),
      rule.onStoreFailure,
      String(rule.lease ?? ""),
      rule.isShadow ? "shadow" : "",
    ]),
  );
}

function describeCondition({ attribute, values, prefixes, isLoopback }: Condition): string {
  const all = [
    ...values,
    ...prefixes.map((prefix) => `${prefix}*`),
    ...(isLoopback ? ["loopback"] : []),
  ];
  return `${attribute}=${all.join(",")}`;
}
