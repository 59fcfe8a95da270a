import { deepEqual, equal, notEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { Unit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { readConfig } from "../../lib/config.js";
import { ratelimitSchema } from "./config.js";
import { createPolicy, policyOf } from "./policy.js";

const policy = createPolicy(readConfig(ratelimitSchema, {}));
const strict = createPolicy(readConfig(ratelimitSchema, { RATELIMIT_EXEMPT_LOOPBACK: "false" }));

test("by default an address has 50 requests a second, 100 at once, and 1,000,000 tokens a minute", () => {
  deepEqual(policy({ ip: "203.0.113.7" }, Unit.REQUESTS), [
    {
      name: "requests-per-ip",
      key: "requests-per-ip:203.0.113.7",
      bucket: { perWindow: 50, windowMs: 1_000, burst: 100 },
    },
  ]);
  deepEqual(policy({ ip: "203.0.113.7" }, Unit.TOKENS), [
    {
      name: "tokens-per-ip",
      key: "tokens-per-ip:203.0.113.7",
      bucket: { perWindow: 1_000_000, windowMs: 60_000, burst: 1_000_000 },
    },
  ]);
});

test("callers on this machine are exempt unless the configuration says otherwise", () => {
  for (const ip of ["127.0.0.1", "::1", "::ffff:127.0.0.1"]) {
    for (const unit of [Unit.REQUESTS, Unit.TOKENS]) {
      deepEqual(policy({ ip }, unit), []);
      equal(strict({ ip }, unit).length, 1);
    }
  }
});

test("neighbours in a /64 share a counter, other networks do not", () => {
  const keyOf = (ip: string) => policy({ ip }, Unit.TOKENS)[0]?.key;
  equal(keyOf("2001:db8::1"), keyOf("2001:db8::ffff:0:1"));
  equal(keyOf("::ffff:203.0.113.7"), keyOf("203.0.113.7"));
  notEqual(keyOf("2001:db8::1"), keyOf("2001:db8:0:1::1"));
  notEqual(keyOf("203.0.113.7"), keyOf("203.0.113.8"));
});

test("a rule too large to be counted exactly is refused at the start", () => {
  const bucket = { perWindow: 1, windowMs: 86_400_000, burst: 1_000_000_000 };
  const rule = { name: "rule", unit: Unit.TOKENS, bucket, exemptLoopback: false };
  throws(() => policyOf([rule]), /not counted exactly/);
});
