import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import type { TextMapGetter } from "@opentelemetry/api";
import { callContext } from "../../test/support/call-context.js";
import { createReadCaller, forUser } from "./caller.js";

type Carrier = Readonly<Record<string, string | string[]>>;

const getter: TextMapGetter<Carrier> = {
  keys: (carrier) => Object.keys(carrier),
  get: (carrier, key) => carrier[key],
};

function read(
  carrier: Carrier,
  config: Partial<Parameters<typeof createReadCaller>[0]> = {},
): ReturnType<ReturnType<typeof createReadCaller>> {
  const readCaller = createReadCaller({
    ...{ trustedProxies: undefined, anonymousTier: undefined },
    ...config,
  });
  const arrival = { name: "POST /embed", timeoutMs: undefined, isStream: false };
  return readCaller({ ...arrival, carrier, getter, clientIp: "10.0.0.1" });
}

const facts = { apiKey: "", tier: "", user: "", route: "POST /embed" };

test("a caller that says nothing has an address and a route", () => {
  deepEqual(read({}), { clientIp: "10.0.0.1", caller: facts });
});

test("the tier of callers without a key is a setting", () => {
  equal(read({}, { anonymousTier: "free" }).caller.tier, "free");
});

test("a trusted proxy names the address", () => {
  const header = { "x-forwarded-for": ["198.51.100.1", "203.0.113.7"] };
  equal(read(header).clientIp, "10.0.0.1");
  equal(read(header, { trustedProxies: ["10.0.0.0/8"] }).clientIp, "203.0.113.7");
});

test("a header names the user, and long names are told apart by their digest", () => {
  const userOf = (name: string) => read({ "x-arrowmesh-user": name }).caller.user;
  equal(userOf("alice"), "alice");
  equal(userOf("a".repeat(256)), "a".repeat(256));
  match(userOf("a".repeat(257)), /^sha256:[0-9a-f]{64}$/);
  equal(userOf("a".repeat(10_000)) === userOf(`${"a".repeat(9_999)}b`), false);
});

test("a body names the user unless the header has", () => {
  const context = callContext({ caller: facts });
  equal(forUser(context, "bob").caller?.user, "bob");
  equal(forUser(context, "\ud800").caller?.user, "\ufffd");
  equal(forUser(context, undefined), context);
  equal(forUser(context, ""), context);
  const named = callContext({ caller: { ...facts, user: "alice" } });
  equal(forUser(named, "bob").caller?.user, "alice");
  const internal = callContext();
  equal(forUser(internal, "bob"), internal);
});
