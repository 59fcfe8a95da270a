// The limits that envoy-suite.ts is run with, and requests to them in few words.

import { randomUUID } from "node:crypto";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import {
  type RateLimitRequest,
  RateLimitRequestSchema,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";

/** The file that the suite is run with. Its windows are so long that no test sees one end. */
export const suiteRules = `
domain: cases
descriptors:
  - { key: user, rate_limit: { unit: year, requests_per_unit: 3 } }
  - { key: roomy, rate_limit: { name: roomy_limit, unit: year, requests_per_unit: 1000 } }
  - { key: sliding, rate_limit: { unit: month, requests_per_unit: 3, algorithm: sliding_window } }
  - { key: bucket, rate_limit: { unit: year, requests_per_unit: 1, algorithm: token_bucket, burst: 5 } }
  - { key: banned, rate_limit: { name: ban, unit: year, requests_per_unit: 0 } }
  - { key: free, rate_limit: { unlimited: true } }
  - { key: shadow, shadow_mode: true, rate_limit: { unit: year, requests_per_unit: 2 } }
  - { key: pardon, value: given, rate_limit: { unit: year, requests_per_unit: 900, replaces: [{ name: ban }] } }
  - { key: plan, rate_limit: { name: plan_limit, unit: year, requests_per_unit: 1 } }
  - { key: plan_b, rate_limit: { name: plan_b_limit, unit: year, requests_per_unit: 1 } }
  - key: upgrade
    rate_limit:
      unit: year
      requests_per_unit: 4
      replaces: [{ name: plan_limit }, { name: plan_b_limit }]
  - { key: open, rate_limit: { unit: year, requests_per_unit: 3, on_store_failure: allow } }
  - { key: tokens, rate_limit: { unit: year, requests_per_unit: 10 } }
  - key: service
    descriptors:
      - key: one
        quota_mode: true
        rate_limit: { unit: year, requests_per_unit: 1 }
      - key: two
        quota_mode: true
        rate_limit: { unit: year, requests_per_unit: 2 }
`;

/** A descriptor of one entry whose value no other test has. */
export function of(key: string): { entries: { key: string; value: string }[] } {
  return { entries: [{ key, value: randomUUID() }] };
}

export function requestOf(init: MessageInitShape<typeof RateLimitRequestSchema>): RateLimitRequest {
  return create(RateLimitRequestSchema, init);
}
