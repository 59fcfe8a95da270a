import { z } from "zod";
import { type ConfigOf, flag, integer, text } from "../../../lib/config.js";

/** Where envoyproxy/ratelimit has the same setting, the name is its name behind `RATELIMIT_ENVOY_`. */
export const envoyRatelimitSchema = {
  path: {
    env: "RATELIMIT_ENVOY_CONFIG",
    doc: "a file of limits in envoyproxy/ratelimit's format, or a folder of them; unset: no domain has limits",
    parse: text(),
    fallback: undefined,
  },
  mergeDomains: {
    env: "RATELIMIT_ENVOY_MERGE_DOMAIN_CONFIG",
    doc: "whether several files may add to one domain",
    parse: flag(),
    fallback: false,
  },
  isShadow: {
    env: "RATELIMIT_ENVOY_SHADOW_MODE",
    doc: "whether every request passes, whatever is counted",
    parse: flag(),
    fallback: false,
  },
  isQuota: {
    env: "RATELIMIT_ENVOY_QUOTA_MODE",
    doc: "whether every limit is in quota mode",
    parse: flag(),
    fallback: false,
  },
  hasLegacyHeaders: {
    env: "RATELIMIT_ENVOY_LIMIT_RESPONSE_HEADERS_ENABLED",
    doc: "whether answers carry headers for limit, remaining and reset, each a number",
    parse: flag(),
    fallback: false,
  },
  limitHeader: {
    env: "RATELIMIT_ENVOY_LIMIT_LIMIT_HEADER",
    doc: "the name of the first of them",
    parse: text(),
    fallback: "RateLimit-Limit",
  },
  remainingHeader: {
    env: "RATELIMIT_ENVOY_LIMIT_REMAINING_HEADER",
    doc: "the name of the second",
    parse: text(),
    fallback: "RateLimit-Remaining",
  },
  resetHeader: {
    env: "RATELIMIT_ENVOY_LIMIT_RESET_HEADER",
    doc: "the name of the third",
    parse: text(),
    fallback: "RateLimit-Reset",
  },
  hasStructuredHeaders: {
    env: "RATELIMIT_ENVOY_STRUCTURED_HEADERS_ENABLED",
    doc: "whether answers carry `RateLimit` and `RateLimit-Policy` of the current IETF draft",
    parse: flag(),
    fallback: false,
  },
  hasMetadata: {
    env: "RATELIMIT_ENVOY_RESPONSE_DYNAMIC_METADATA",
    doc: "whether answers say in dynamic metadata what was asked and which quotas have no room",
    parse: flag(),
    fallback: false,
  },
  nearLimitRatio: {
    env: "RATELIMIT_ENVOY_NEAR_LIMIT_RATIO",
    doc: "from which part of a limit on hits count as near it, in metrics",
    parse: ratio(),
    fallback: 0.8,
  },
  seriesMax: {
    env: "RATELIMIT_ENVOY_SERIES_MAX",
    doc: "paths in metrics that name values of requests; those beyond are counted together",
    parse: integer({ min: 0, max: 1_000_000 }),
    fallback: 1_000,
  },
} as const;

export type EnvoyRatelimitConfig = ConfigOf<typeof envoyRatelimitSchema>;

function ratio() {
  return z
    .string()
    .transform(Number)
    .refine((value) => value >= 0 && value <= 1, "expected a number in 0..1");
}
