import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import type { RateLimitDescriptor } from "../../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js";
import type { RateLimitRequest } from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import { RateLimitUnit } from "../../../gen/envoy/type/v3/ratelimit_unit_pb.js";
import type { Asked } from "./ask.js";
import type { Ruling } from "./decide.js";

/** What was asked and which quotas have no room, in the fields that envoyproxy/ratelimit has for it. */
export function dynamicMetadata(
  { domain, descriptors, hitsAddend }: RateLimitRequest,
  asked: readonly Asked[],
  { verdicts }: Ruling,
): JsonObject {
  const violations: number[] = [];
  const described = descriptors.map((descriptor, index) => {
    const ask = asked[index];
    if (ask === undefined || typeof ask === "string") return describe(descriptor, undefined);
    const isOver = verdicts[index]?.isOver === true;
    if (isOver && ask.mode === "quota") violations.push(index);
    return describe(descriptor, isOver ? undefined : ask.limit.metadata);
  });
  return {
    domain,
    descriptors: described,
    ...(hitsAddend > 0 && { hitsAddend }),
    ...(violations.length > 0 && { quotaModeViolations: violations }),
    quotaModeEnabled: asked.some((ask) => typeof ask !== "string" && ask.limit.isQuota),
  };
}

function describe(
  { entries, limit, hitsAddend }: RateLimitDescriptor,
  metadata: JsonValue | undefined,
): JsonObject {
  return {
    entries: entries.map(({ key, value }) => `${key}=${value}`),
    ...(limit && {
      limit: `requests_per_unit:${limit.requestsPerUnit} unit:${nameOf(limit.unit)}`,
    }),
    ...(hitsAddend !== undefined && { hitsAddend: Number(hitsAddend) }),
    ...(metadata !== undefined && { metadata }),
  };
}

function nameOf(unit: RateLimitUnit): string {
  const named = Object.entries(RateLimitUnit).find(([, number]) => number === unit);
  return named?.[0] ?? String(unit);
}
