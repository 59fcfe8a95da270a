import type { MessageInitShape } from "@bufbuild/protobuf";
import { type LimitSchema, Unit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { refillMsOf, unitsMaxOf } from "./algorithms/quota.js";
import type { Policy } from "./policy/policy.js";
import type { Counted } from "./policy/rule.js";
import type { Decision, ItemState } from "./stores/charge.js";

/** A decision as the contract says it. */
export function toAnswer({ allowed, states, isDegraded }: Decision, policy: Policy) {
  return { allowed, limits: toLimits(states, policy), degraded: isDegraded };
}

/** The tightest first. */
function toLimits(states: readonly ItemState[], policy: Policy) {
  const tightestFirst = states.length < 2 ? states : [...states].sort(byRoom);
  return tightestFirst.map((state) => toLimit(state, policy));
}

export const unitOf: Readonly<Record<Counted, Unit>> = {
  requests: Unit.REQUESTS,
  tokens: Unit.TOKENS,
  concurrent_requests: Unit.CONCURRENT_REQUESTS,
};

function byRoom(a: ItemState, b: ItemState): number {
  return roomOf(a) - roomOf(b);
}

function roomOf({ item, remaining }: ItemState): number {
  return remaining / unitsMaxOf(item.rule.quota);
}

function toLimit({ item, remaining, resetMs, retryAfterMs }: ItemState, policy: Policy) {
  const { name, quota } = item.rule;
  // A reservation that is still open can be of a rule that the policy has no longer.
  const counted = policy.countedOf.get(name);
  return {
    name,
    unit: counted === undefined ? Unit.UNSPECIFIED : unitOf[counted],
    quota: BigInt(unitsMaxOf(quota)),
    remaining: BigInt(remaining),
    resetMs: BigInt(resetMs),
    windowMs: BigInt(refillMsOf(quota) ?? 0),
    ...(retryAfterMs !== undefined && { retryAfterMs: BigInt(retryAfterMs) }),
  } satisfies MessageInitShape<typeof LimitSchema>;
}
