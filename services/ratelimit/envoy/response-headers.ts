import { create } from "@bufbuild/protobuf";
import { type HeaderValue, HeaderValueSchema } from "../../../gen/envoy/config/core/v3/base_pb.js";
import {
  RateLimitResponse_Code as Code,
  type RateLimitResponse_DescriptorStatus as Status,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import type { Ask, Asked } from "./ask.js";
import type { EnvoyRatelimitConfig } from "./config.js";
import { windowMsOf } from "./limit.js";

type HeaderConfig = Pick<
  EnvoyRatelimitConfig,
  "hasLegacyHeaders" | "hasStructuredHeaders" | "limitHeader" | "remainingHeader" | "resetHeader"
>;

/** What an answer says of the limits to whoever gets the response: by their numbers, as structured fields, or not. */
export function responseHeaders(
  asked: readonly Asked[],
  statuses: readonly Status[],
  config: HeaderConfig,
): HeaderValue[] {
  if (!config.hasLegacyHeaders && !config.hasStructuredHeaders) return [];
  const limits = asked
    .map((ask, index) => ({ ask, status: statuses[index] }))
    .filter((pair): pair is Shown => typeof pair.ask !== "string" && pair.status !== undefined);
  const tightest = tightestOf(limits);
  if (tightest === undefined) return [];
  return [
    ...(config.hasLegacyHeaders ? legacyHeaders(tightest, config) : []),
    ...(config.hasStructuredHeaders ? structuredHeaders(limits) : []),
  ];
}

interface Shown {
  readonly ask: Ask;
  readonly status: Status;
}

/** The last one that refuses, or else the first of those with the least left. */
function tightestOf(limits: readonly Shown[]): Shown | undefined {
  const refusing = limits.filter(({ status }) => status.code === Code.OVER_LIMIT).at(-1);
  if (refusing !== undefined) return refusing;
  let least: Shown | undefined;
  for (const limit of limits) {
    if (least === undefined || limit.status.limitRemaining < least.status.limitRemaining) {
      least = limit;
    }
  }
  return least;
}

function legacyHeaders({ ask, status }: Shown, config: HeaderConfig): HeaderValue[] {
  return [
    header(config.limitHeader, String(ask.limit.shown.requestsPerUnit)),
    header(config.remainingHeader, String(status.limitRemaining)),
    header(config.resetHeader, String(status.durationUntilReset?.seconds ?? 0)),
  ];
}

/** draft-ietf-httpapi-ratelimit-headers: lists of limits by name. */
function structuredHeaders(limits: readonly Shown[]): HeaderValue[] {
  const policies = limits.map(({ ask: { limit } }) => {
    const seconds = windowMsOf(limit) / 1_000;
    return `${nameOf(limit.title)};q=${limit.shown.requestsPerUnit};w=${seconds}`;
  });
  const states = limits.map(({ ask: { limit }, status }) => {
    const seconds = status.durationUntilReset?.seconds ?? 0;
    return `${nameOf(limit.title)};r=${status.limitRemaining};t=${seconds}`;
  });
  return [header("RateLimit-Policy", policies.join(", ")), header("RateLimit", states.join(", "))];
}

/** A string of RFC 9651, which has ASCII only. */
function nameOf(title: string): string {
  const plain = title.replace(/[^ -~]/g, "_").replace(/["\\]/g, "\\$&");
  return `"${plain}"`;
}

function header(key: string, value: string): HeaderValue {
  return create(HeaderValueSchema, { key, value });
}
