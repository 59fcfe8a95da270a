import { deepEqual, equal, match, throws } from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { Secret } from "../../lib/config.js";
import type { CallInfo } from "../../lib/interceptors/interceptor.js";
import { callContext } from "../../test/support/call-context.js";
import { authenticate, nameOfKey, requireAuthenticationOnPublic } from "./authentication.js";

const key = new Secret("sesame");

function call(name: string, authorization: string | undefined): void {
  const info: CallInfo = { role: "gateway", name, protocol: "http", authorization };
  equal(authenticate(key)(info, callContext()), undefined);
}

test("whoever shows the key may call", () => {
  call("POST /embed", "Bearer sesame");
  call("arrowmesh.gateway.v1.GatewayService/Embed", "Bearer sesame");
});

test("who shows the key is known by its name and tier from then on, whatever was known before", () => {
  const caller = { apiKey: "", tier: "free", user: "alice", route: "POST /embed" };
  const intercept = authenticate(key, "premium");
  const info = { role: "gateway", name: "POST /embed", protocol: "http" } as const;
  const shown = intercept({ ...info, authorization: "Bearer sesame" }, callContext({ caller }));
  match(nameOfKey(key), /^[0-9a-f]{16}$/);
  deepEqual(shown?.context?.caller, { ...caller, apiKey: nameOfKey(key), tier: "premium" });
  const withoutTier = authenticate(key)(
    { ...info, authorization: "Bearer sesame" },
    callContext({ caller }),
  );
  equal(withoutTier?.context?.caller?.tier, "");
  // What is public is answered to a caller that nobody knows.
  equal(intercept({ ...info, name: "GET /docs" }, callContext({ caller })), undefined);
});

test("anything but the exact header is refused, without a word of the key", () => {
  const shown = ["sesame", "bearer sesame", "Bearer  sesame", "Bearer sesam", "Bearer sesame1", ""];
  for (const authorization of [undefined, ...shown]) {
    throws(
      () => call("POST /embed", authorization),
      { fault: "unauthenticated", message: "No valid auth token" },
      authorization,
    );
  }
});

test("probes and the pages that say how to call are public, by GET and HEAD only", () => {
  const routes = ["/", "/ping", "/v2/health/ready", "/docs", "/docs/static/*", "/openapi.json"];
  for (const route of routes) {
    call(`GET ${route}`, undefined);
    call(`HEAD ${route}`, undefined);
    throws(() => call(`POST ${route}`, undefined), { fault: "unauthenticated" });
  }
  for (const route of ["/info", "/v2", "/docsx", "/v1/models"]) {
    throws(() => call(`GET ${route}`, undefined), { fault: "unauthenticated" });
  }
});

test("the key is in no printed configuration", () => {
  equal(JSON.stringify({ key }), '{"key":"[secret]"}');
  equal(inspect(key, { depth: 5, showHidden: true }).includes("sesame"), false);
});

test("an address that others reach needs a key, client certificates, or the switch", () => {
  const without = { apiKey: undefined, isPublicAllowed: false, tlsClientCaFile: undefined };
  for (const host of ["127.0.0.1", "127.8.0.1", "::1", "localhost"]) {
    requireAuthenticationOnPublic(host, without);
  }
  for (const host of ["0.0.0.0", "::", "10.0.0.1", "example.org"]) {
    throws(() => requireAuthenticationOnPublic(host, without), /set API_KEY/);
    requireAuthenticationOnPublic(host, { ...without, apiKey: key });
    requireAuthenticationOnPublic(host, { ...without, tlsClientCaFile: "authorities.pem" });
    requireAuthenticationOnPublic(host, { ...without, isPublicAllowed: true });
  }
});
