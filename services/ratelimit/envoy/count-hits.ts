import type { RateLimitRequest } from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import type { Ask, Asked } from "./ask.js";
import type { Verdict } from "./charge-group.js";
import type { Ruling } from "./decide.js";
import { metricPath } from "./find-limit.js";
import type { HitCounts, HitCountsByPath } from "./hit-counts.js";
import type { EnvoyRules } from "./read-rules.js";

/** Adds a decision to the counts of its limits, as envoyproxy/ratelimit counts them. */
export function countHits(
  decision: {
    readonly request: RateLimitRequest;
    readonly rules: EnvoyRules;
    readonly asked: readonly Asked[];
    readonly ruling: Ruling;
  },
  hits: HitCountsByPath,
  nearLimitRatio: number,
): void {
  const { request, rules, asked, ruling } = decision;
  for (const ask of asked) {
    if (typeof ask === "string") continue;
    const verdict = ruling.verdicts[ask.index];
    if (verdict === undefined) continue;
    count(countsOf(ask, { request, rules, hits }), ask, verdict, nearLimitRatio);
  }
}

function countsOf(
  { limit, index }: Ask,
  of: {
    readonly request: RateLimitRequest;
    readonly rules: EnvoyRules;
    readonly hits: HitCountsByPath;
  },
): HitCounts {
  const { request, rules, hits } = of;
  const { domain, descriptors } = request;
  if (!limit.isDetailed && !limit.hasValuesInMetric) return hits.ofLimit(domain, limit);
  const descriptor = descriptors[index];
  const level = rules.get(domain);
  // A limit that the request brought along has its path from the request.
  if (descriptor === undefined || level === undefined || descriptor.limit !== undefined) {
    return hits.ofPath(domain, limit.path);
  }
  return hits.ofPath(domain, metricPath(limit, level, descriptor.entries));
}

function count(counts: HitCounts, ask: Ask, verdict: Verdict, nearLimitRatio: number): void {
  const { limit, hits, isGivenBack } = ask;
  if (isGivenBack) {
    counts.total_negative_hits += hits;
    return;
  }
  counts.total_hits += hits;
  if (verdict.isOver) {
    const over = hits - verdict.spentHits;
    counts.over_limit += over;
    if (limit.isShadow) counts.shadow_mode += over;
  } else {
    counts.within_limit += hits;
  }
  counts.near_limit += nearHits(ask, verdict, nearLimitRatio);
}

/** Of what was spent, the part that lies beyond the ratio of the limit. */
function nearHits({ limit }: Ask, { remaining, spentHits }: Verdict, ratio: number): number {
  const { requestsPerUnit } = limit.shown;
  const spentBeyond = requestsPerUnit - remaining - Math.floor(requestsPerUnit * ratio);
  return Math.max(0, Math.min(spentHits, spentBeyond));
}
