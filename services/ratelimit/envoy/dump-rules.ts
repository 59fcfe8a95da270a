import { RateLimitResponse_RateLimit_UnitSchema as UnitSchema } from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import type { DescriptorLevel } from "./descriptor-level.js";
import type { Limit } from "./limit.js";
import type { EnvoyRules } from "./read-rules.js";

/** One line for each limit, as envoyproxy/ratelimit writes them, in the order of the files. */
export function dumpRules(rules: EnvoyRules): string {
  const lines: string[] = [];
  for (const [domain, level] of rules) addLines(lines, domain, level);
  return lines.map((line) => `${line}\n`).join("");
}

function addLines(lines: string[], domain: string, level: DescriptorLevel): void {
  for (const { limit, children } of level.nodes) {
    if (limit !== undefined) lines.push(lineOf(domain, limit));
    addLines(lines, domain, children);
  }
}

function lineOf(domain: string, { path, shown, quota, isShadow, isQuota }: Limit): string {
  const { unit, unitMultiplier, requestsPerUnit } = shown;
  const terms = [
    `unit=${UnitSchema.value[unit]?.name ?? unit} requests_per_unit=${requestsPerUnit}`,
    `shadow_mode: ${isShadow}`,
    `quota_mode: ${isQuota}`,
  ];
  if (unitMultiplier !== undefined) terms.push(`unit_multiplier: ${unitMultiplier}`);
  if (quota === "unlimited") terms.push("unlimited: true");
  if (typeof quota !== "string" && quota.algorithm !== "fixed_window") {
    terms.push(`algorithm: ${quota.algorithm}`);
  }
  if (typeof quota !== "string" && quota.algorithm === "token_bucket") {
    terms.push(`burst: ${quota.burst}`);
  }
  return `${[domain, ...path].join(".")}: ${terms.join(", ")}`;
}
