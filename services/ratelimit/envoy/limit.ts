import type { JsonValue } from "@bufbuild/protobuf";
import {
  type RateLimitResponse_RateLimit,
  RateLimitResponse_RateLimit_Unit as Unit,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import { type Quota, windowMsMax } from "../algorithms/quota.js";
import { tokenBucketOf } from "../algorithms/token-bucket.js";
import type { OnStoreFailure } from "../stores/charge.js";
import { keyPrefixOf } from "../stores/counter-key.js";

/** A limit as a file or a request has it. */
export interface Limit {
  /** What logs and headers call it: its name, or else its domain and path. */
  readonly title: string;
  /** What other limits replace it by; empty where it has none. */
  readonly name: string;
  /** The names of the limits that do not hold where this one does. */
  readonly replaces: readonly string[];
  /** Where it stands below its domain, a step for each descriptor. */
  readonly path: readonly string[];
  /** `unlimited` counts nothing; `none` lets nothing pass. */
  readonly quota: Quota | "unlimited" | "none";
  /** What an answer shows of it. */
  readonly shown: RateLimitResponse_RateLimit;
  /** What the keys of its counters begin with; empty where nothing is counted. */
  readonly keyPrefix: string;
  readonly onStoreFailure: OnStoreFailure;
  /** The most hits that a process may take in advance; undefined: it asks for each decision. */
  readonly lease: number | undefined;
  readonly isShadow: boolean;
  readonly isQuota: boolean;
  /** Whether each path of values is counted by itself in metrics. */
  readonly isDetailed: boolean;
  /** Whether a value of the request is part of the path in metrics. */
  readonly hasValuesInMetric: boolean;
  /** What an answer's dynamic metadata says of a descriptor that has room. */
  readonly metadata: JsonValue | undefined;
}

export const algorithms = ["fixed_window", "sliding_window", "token_bucket"] as const;
export type Algorithm = (typeof algorithms)[number];

export function titleOf(domain: string, name: string, path: readonly string[]): string {
  return name === "" ? [domain, ...path].join(".") : name;
}

/** What the keys of a limit's counters begin with. */
export function prefixOf(domain: string, quota: Limit["quota"]): string {
  return typeof quota === "string" ? "" : keyPrefixOf(["envoy", domain], quota);
}

/** The units that files and requests name; a month has 30 days and a year 365, as envoyproxy/ratelimit has it. */
export const unitMs: ReadonlyMap<Unit, number> = new Map([
  [Unit.SECOND, 1_000],
  [Unit.MINUTE, 60_000],
  [Unit.HOUR, 3_600_000],
  [Unit.DAY, 86_400_000],
  [Unit.WEEK, 7 * 86_400_000],
  [Unit.MONTH, 30 * 86_400_000],
  [Unit.YEAR, 365 * 86_400_000],
]);

/** 0 for a limit without a window. */
export function windowMsOf({ shown }: Pick<Limit, "shown">): number {
  return (unitMs.get(shown.unit) ?? 0) * (shown.unitMultiplier ?? 1);
}

/** The quota of `units` in each window; `none` where that is 0. A text says why there can be no such quota. */
export function quotaOf(terms: {
  readonly algorithm: Algorithm;
  readonly units: number;
  readonly windowMs: number;
  /** Of a token bucket: what can be spent at once. */
  readonly burst: number;
}): { readonly quota: Quota | "none" } | { readonly refusal: string } {
  const { algorithm, units, windowMs, burst } = terms;
  if (windowMs > windowMsMax) return { refusal: "a window is a year at most" };
  if (units === 0) return { quota: "none" };
  if (algorithm !== "token_bucket") return { quota: { algorithm, units, windowMs } };
  const quota = tokenBucketOf({ units, windowMs, burst });
  if (quota !== undefined) return { quota };
  return { refusal: "a token bucket of this size and length cannot be counted exactly" };
}
