import type {
  RateLimitDescriptor_RateLimitOverride as Override,
  RateLimitDescriptor,
} from "../../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js";
import type { RateLimitRequest } from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import { MeshError } from "../../../lib/errors.js";
import { type Quota, unitsMaxOf } from "../algorithms/quota.js";
import type { AppliedRule } from "../stores/charge.js";
import type { DescriptorLevel } from "./descriptor-level.js";
import { type FoundLimit, findLimit, overrideKey } from "./find-limit.js";
import type { Limit } from "./limit.js";
import { overrideLimit } from "./override-limit.js";
import type { EnvoyRules } from "./read-rules.js";

const descriptorsMax = 100;
const entriesMax = 64;

/** What is to be spent of the limit of one descriptor. */
export interface Ask {
  /** Place of the descriptor in the request. */
  readonly index: number;
  readonly limit: Limit;
  /** The limit as the stores know it; undefined where it lets nothing pass, whatever was counted. */
  readonly rule: AppliedRule | undefined;
  /** Whole hits; 0 asks whether one would pass. */
  readonly amount: number;
  /** What stands in the request, before it is cut to what can ever matter. */
  readonly hits: number;
  /** Whether the hits were used already, so that what there is of them is spent where all do not fit. */
  readonly isMetered: boolean;
  readonly isGivenBack: boolean;
  /** Shadow: spent and answered by itself. Quota: enough that one of the request's quotas has room. */
  readonly mode: "enforced" | "shadow" | "quota";
}

/** A descriptor's part of a request: what is to be spent, or why nothing is. */
export type Asked = Ask | "no limit" | "unlimited";

export interface Modes {
  readonly isShadow: boolean;
  readonly isQuota: boolean;
}

/** One part for each descriptor. Throws a MeshError for a request that cannot be decided. */
export function readAsks(
  request: RateLimitRequest,
  rules: EnvoyRules,
  modes: Modes,
): readonly Asked[] {
  const { domain, descriptors } = request;
  requireDescriptors(request);
  const level = rules.get(domain);
  if (level === undefined) return descriptors.map(() => "no limit");
  const found = descriptors.map((descriptor) => findOne(domain, level, descriptor));
  const replaced = replacedNames(found);
  return found.map((one, index) => {
    const descriptor = descriptors[index];
    if (one === undefined || descriptor === undefined) return "no limit";
    if (one.limit.quota === "unlimited") return "unlimited";
    if (replaced?.has(one.limit.name)) return "no limit";
    return toAsk(one, { request, descriptor, index }, modes);
  });
}

function requireDescriptors({ domain, descriptors }: RateLimitRequest): void {
  if (domain === "") throw invalid("domain", "rate limit domain must not be empty");
  if (descriptors.length === 0) {
    throw invalid("descriptors", "rate limit descriptor list must not be empty");
  }
  if (descriptors.length > descriptorsMax) {
    throw invalid("descriptors", `more than ${descriptorsMax} descriptors`);
  }
  const long = descriptors.findIndex(({ entries }) => entries.length > entriesMax);
  if (long >= 0) throw invalid(`descriptors[${long}].entries`, `more than ${entriesMax} entries`);
}

function findOne(
  domain: string,
  level: DescriptorLevel,
  { entries, limit: override }: RateLimitDescriptor,
): FoundLimit | undefined {
  if (override === undefined) return findLimit(level, entries);
  const limit = readOverride(domain, override, entries);
  return { limit, key: limit.keyPrefix === "" ? "" : overrideKey(limit, entries) };
}

function readOverride(
  domain: string,
  override: Override,
  entries: RateLimitDescriptor["entries"],
): Limit {
  const made = overrideLimit(domain, override, entries);
  if ("refusal" in made) throw invalid("descriptors.limit", made.refusal);
  return made.limit;
}

/** The names of limits that do not hold; undefined where that is none. */
function replacedNames(found: readonly (FoundLimit | undefined)[]): Set<string> | undefined {
  let names: Set<string> | undefined;
  for (const one of found) {
    if (one === undefined || one.limit.replaces.length === 0) continue;
    names ??= new Set();
    for (const name of one.limit.replaces) names.add(name);
  }
  return names;
}

/** What a limit was found for. */
interface Place extends Pick<Ask, "index"> {
  readonly request: RateLimitRequest;
  readonly descriptor: RateLimitDescriptor;
}

function toAsk({ limit, key }: FoundLimit, place: Place, modes: Modes): Ask {
  const { request, descriptor, index } = place;
  const { hitsAddend, isNegativeHits } = descriptor;
  const { quota } = limit;
  const hits = hitsAddend === undefined ? Math.max(1, request.hitsAddend) : Number(hitsAddend);
  const mode = modeOf(limit, modes);
  return {
    index,
    limit,
    rule: typeof quota === "string" ? undefined : toRule(limit, quota, key, mode),
    // More than all of a quota is refused, however much it is.
    amount: typeof quota === "string" ? hits : Math.min(hits, unitsMaxOf(quota) + 1),
    hits,
    isMetered: hitsAddend !== undefined && hits > 0,
    isGivenBack: isNegativeHits,
    mode,
  };
}

function modeOf({ isShadow, isQuota }: Limit, modes: Modes): Ask["mode"] {
  if (isShadow || modes.isShadow) return "shadow";
  return isQuota || modes.isQuota ? "quota" : "enforced";
}

/** What cannot refuse a request does not refuse it when its counters are away. */
function toRule(limit: Limit, quota: Quota, key: string, mode: Ask["mode"]): AppliedRule {
  const onStoreFailure = mode === "shadow" ? "allow" : limit.onStoreFailure;
  return { name: limit.title, key, quota, onStoreFailure, lease: limit.lease };
}

function invalid(field: string, description: string): MeshError {
  return new MeshError("invalid", description, { fields: [{ field, description }] });
}
