import { createHash } from "node:crypto";
import type { CallContext } from "../../lib/rpc/call.js";
import type { ReadCaller } from "../../lib/rpc/entry.js";
import type { GatewayConfig } from "./config.js";
import { createClientIpOf } from "./trusted-proxies.js";

/** The header, or the metadata, in which callers say for whom they call. */
const userHeader = "x-arrowmesh-user";
/** Longer names of users are told apart by their digest. */
const userLengthMax = 256;

/** Who calls, as limits know it before anybody has authenticated. */
export function createReadCaller(
  config: Pick<GatewayConfig, "trustedProxies" | "anonymousTier">,
): ReadCaller {
  const clientIpOf = createClientIpOf(config.trustedProxies ?? []);
  const tier = config.anonymousTier ?? "";
  return ({ carrier, getter, clientIp, name }) => {
    const headerOf = (header: string): string | undefined => {
      const values = getter.get(carrier, header);
      return Array.isArray(values) ? values.join(",") : values;
    };
    return {
      clientIp: clientIpOf(clientIp, () => headerOf("x-forwarded-for")),
      caller: { apiKey: "", tier, user: toUserName(headerOf(userHeader) ?? ""), route: name },
    };
  };
}

/**
 * The context of a call whose body names a user. The header goes before the body: whoever stands between can set the one
 * but hardly the other.
 */
export function forUser(context: CallContext, user: string | undefined): CallContext {
  if (user === undefined || user === "") return context;
  if (context.caller === undefined || context.caller.user !== "") return context;
  const caller = { ...context.caller, user: toUserName(user) };
  if (context.callRecord !== undefined) context.callRecord.caller = caller;
  return { ...context, caller };
}

/** Of a bounded length, and valid text. */
function toUserName(text: string): string {
  if (text.length <= userLengthMax) return text.toWellFormed();
  return `sha256:${createHash("sha256").update(text).digest("hex")}`;
}
