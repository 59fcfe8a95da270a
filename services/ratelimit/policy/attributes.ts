import type { Caller } from "../../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import type { IpNetwork } from "./ip-network.js";
import type { CountedBy } from "./rule.js";

/** What rules see of a caller; an empty text is not known. */
export type Attributes = Readonly<Record<CountedBy, string>> & { readonly isLoopback: boolean };

/**
 * A user is whatever the caller of the gateway says, so `caller` never is the user: whoever names a new one with each
 * call would have a new counter with each call.
 */
export function attributesOf(
  caller: Omit<Caller, "$typeName" | "$unknown" | "ip">,
  { name: ip, isLoopback }: IpNetwork,
): Attributes {
  const { apiKey, user, tier, model, provider, route } = caller;
  return {
    ip,
    api_key: apiKey,
    user,
    tier,
    model,
    provider,
    route,
    // No key looks like an address behind a space, and no address does at all.
    caller: apiKey === "" ? ip : ` ${apiKey}`,
    isLoopback,
  };
}
