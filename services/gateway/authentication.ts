import { createHash, timingSafeEqual } from "node:crypto";
import { isIP } from "node:net";
import { ConfigError, type Secret } from "../../lib/config.js";
import { MeshError } from "../../lib/errors.js";
import type { Interceptor } from "../../lib/interceptors/interceptor.js";
import type { GatewayConfig } from "./config.js";

/**
 * Routes that nobody has to authenticate for, besides health, readiness, metrics and reflection, which are no calls:
 * probes, and what says how to call.
 */
const publicCalls: ReadonlySet<string> = new Set([
  "GET /",
  "GET /ping",
  "GET /v2/health/live",
  "GET /v2/health/ready",
  "GET /openapi.json",
  "GET /api-doc/openapi.json",
]);
const publicPages = /^GET \/(docs|proto|status\/page)(\/|$)/;

/**
 * Who may call: whoever shows the key, exactly as `Bearer KEY`; the rule of every protocol. From then on the call is one
 * of that key and its tier.
 */
export function authenticate(key: Secret, tier = ""): Interceptor {
  const wanted = digest(`Bearer ${key.reveal()}`);
  const apiKey = nameOfKey(key);
  return (info, context) => {
    if (isPublicCall(info.name)) return undefined;
    const span = context.trace.begin("auth");
    if (!timingSafeEqual(digest(info.authorization ?? ""), wanted)) {
      const refusal = new MeshError("unauthenticated", "No valid auth token");
      span.end(refusal);
      throw refusal;
    }
    span.set("arrowmesh.auth.key_id", apiKey);
    span.end();
    if (context.caller === undefined) return undefined;
    const caller = { ...context.caller, apiKey, tier };
    // The access log is outside, and sees the record only.
    if (context.callRecord !== undefined) context.callRecord.caller = caller;
    return { context: { ...context, caller } };
  };
}

/** What the key is called where its text must not appear. */
export function nameOfKey(key: Secret): string {
  return digest(key.reveal()).toString("hex", 0, keyNameBytes);
}

/** Enough to tell keys apart. */
const keyNameBytes = 8;

/** An address that others reach needs a key or client certificates, unless that is switched off in so many words. */
export function requireAuthenticationOnPublic(
  host: string,
  config: Pick<GatewayConfig, "isPublicAllowed" | "apiKey" | "tlsClientCaFile">,
): void {
  const isLoopback =
    host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
  const isAuthenticated = config.apiKey !== undefined || config.tlsClientCaFile !== undefined;
  if (isLoopback || isAuthenticated || config.isPublicAllowed) return;
  throw new ConfigError([
    `HOST=${host} is reachable by others and nobody has to authenticate; set API_KEY, TLS_CLIENT_CA_FILE, or ALLOW_PUBLIC_WITHOUT_AUTHENTICATION=true if that is meant`,
  ]);
}

/** Whether the call of this name needs no key. A HEAD asks for what GET answers. */
export function isPublicCall(name: string): boolean {
  const read = name.replace(/^HEAD /, "GET ");
  return publicCalls.has(read) || publicPages.test(read);
}

/** Of one length whatever was shown, so that the comparison takes the same time. */
function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
