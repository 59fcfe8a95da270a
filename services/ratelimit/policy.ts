import { Unit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { assert } from "../../lib/assert.js";
import type { RatelimitConfig } from "./config.js";
import type { AppliedRule } from "./decision.js";
import { type Bucket, capacityOf, capacityPartsMax } from "./gcra.js";
import { ipNetworkOf } from "./ip-network.js";

/** What limits callers of one unit, each IP network by itself. */
export interface Rule {
  readonly name: string;
  readonly unit: Unit;
  readonly bucket: Bucket;
  /** Whether callers on this machine are not limited. */
  readonly exemptLoopback: boolean;
}

/** The rules that hold for a caller; empty means that nothing limits it. The seam between rules and service. */
export type Policy = (caller: { readonly ip: string }, unit: Unit) => readonly AppliedRule[];

/** The rules of the configuration as a policy. */
export function createPolicy(config: RatelimitConfig): Policy {
  return policyOf(rulesOf(config));
}

export function rulesOf(config: RatelimitConfig): readonly Rule[] {
  const { requestsPerSecond, requestsBurst, tokensPerMinute, isLoopbackExempt } = config;
  return [
    {
      name: "requests-per-ip",
      unit: Unit.REQUESTS,
      bucket: { perWindow: requestsPerSecond, windowMs: 1_000, burst: requestsBurst },
      exemptLoopback: isLoopbackExempt,
    },
    {
      name: "tokens-per-ip",
      unit: Unit.TOKENS,
      bucket: { perWindow: tokensPerMinute, windowMs: 60_000, burst: tokensPerMinute },
      exemptLoopback: isLoopbackExempt,
    },
  ];
}

/** Which of `rules` apply to whom, and under which keys. */
export function policyOf(rules: readonly Rule[]): Policy {
  for (const { name, bucket } of rules) {
    assert(
      capacityOf(bucket) <= capacityPartsMax,
      `${name} has a burst that is not counted exactly`,
    );
  }
  return ({ ip }, unit) => {
    const network = ipNetworkOf(ip);
    return rules
      .filter((rule) => rule.unit === unit && !(rule.exemptLoopback && network.isLoopback))
      .map(({ name, bucket }) => ({ name, key: `${name}:${network.name}`, bucket }));
  };
}
