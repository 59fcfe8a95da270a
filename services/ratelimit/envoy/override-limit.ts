import { create } from "@bufbuild/protobuf";
import type {
  RateLimitDescriptor_Entry as Entry,
  RateLimitDescriptor_RateLimitOverride as Override,
} from "../../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js";
import {
  RateLimitResponse_RateLimitSchema,
  type RateLimitResponse_RateLimit_Unit as Unit,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import { nodeName } from "./descriptor-level.js";
import { type Limit, prefixOf, quotaOf, unitMs } from "./limit.js";

/** A limit that a request brings along, as a fixed window that is never in shadow mode; or why it is none. */
export function overrideLimit(
  domain: string,
  { unit: number, requestsPerUnit, unitMultiplier }: Override,
  entries: readonly Entry[],
): { readonly limit: Limit } | { readonly refusal: string } {
  // The numbers of both enums mean the same.
  const unit = number as Unit;
  const oneMs = unitMs.get(unit);
  if (oneMs === undefined) return { refusal: "the limit's unit is not one" };
  if (unitMultiplier === 0)
    return { refusal: "the limit's unit_multiplier must be greater than 0" };
  const made = quotaOf({
    algorithm: "fixed_window",
    units: requestsPerUnit,
    windowMs: oneMs * (unitMultiplier ?? 1),
    burst: requestsPerUnit,
  });
  if ("refusal" in made) return made;
  const shown = create(RateLimitResponse_RateLimitSchema, { requestsPerUnit, unit });
  if (unitMultiplier !== undefined && unitMultiplier > 1) shown.unitMultiplier = unitMultiplier;
  const limit: Limit = {
    title: `${domain} by request`,
    name: "",
    replaces: [],
    path: entries.map(({ key, value }) => nodeName(key, value)),
    quota: made.quota,
    shown,
    keyPrefix: prefixOf(domain, made.quota),
    onStoreFailure: "refuse",
    lease: undefined,
    isShadow: false,
    isQuota: false,
    isDetailed: true,
    hasValuesInMetric: true,
    metadata: undefined,
  };
  return { limit };
}
