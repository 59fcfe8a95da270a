import { create } from "@bufbuild/protobuf";
import {
  RateLimitResponse_Code as Code,
  type RateLimitRequest,
  type RateLimitResponse,
  RateLimitResponseSchema,
  RateLimitService,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import type { Clock } from "../../../lib/clock.js";
import { type Binding, bind, type CallContext } from "../../../lib/rpc/call.js";
import { statusOf } from "./answer.js";
import { type Asked, readAsks } from "./ask.js";
import type { Counters } from "./charge-group.js";
import type { EnvoyRatelimitConfig } from "./config.js";
import { countHits } from "./count-hits.js";
import { decide, type Ruling } from "./decide.js";
import { dynamicMetadata } from "./dynamic-metadata.js";
import type { EnvoyCounts } from "./metrics.js";
import type { EnvoyRules } from "./read-rules.js";
import { responseHeaders } from "./response-headers.js";

/** One request, one answer; gRPC and /json are two ways to it. */
export type ShouldRateLimit = (
  request: RateLimitRequest,
  context: Pick<CallContext, "trace">,
) => Promise<RateLimitResponse>;

/** domain and descriptors -> limits of the files -> counters -> over the limit or not */
export function createShouldRateLimit(deps: {
  /** The rules as they are now; a request is decided by one version of them. */
  readonly rules: () => EnvoyRules;
  readonly counters: Counters;
  readonly config: EnvoyRatelimitConfig;
  readonly count: EnvoyCounts;
  readonly clock: Clock;
}): ShouldRateLimit {
  const { counters, config, count, clock } = deps;

  function answer(request: RateLimitRequest, asked: readonly Asked[], ruling: Ruling) {
    const dateMs = clock.dateMs();
    const statuses = asked.map((ask) => statusOf(ask, ruling, dateMs));
    const response = create(RateLimitResponseSchema, { overallCode: overallCode(asked, ruling) });
    response.statuses = statuses;
    response.responseHeadersToAdd = responseHeaders(asked, statuses, config);
    if (config.hasMetadata) response.dynamicMetadata = dynamicMetadata(request, asked, ruling);
    return response;
  }

  function overallCode(asked: readonly Asked[], ruling: Ruling): Code {
    if (ruling.isOver) return Code.OVER_LIMIT;
    if (config.isShadow && asked.some((ask) => isRefused(ask, ruling))) count.globalShadow();
    return Code.OK;
  }

  return async (request, { trace }) => {
    count.request();
    try {
      const rules = deps.rules();
      const asked = readAsks(request, rules, config);
      if (!rules.has(request.domain)) count.unknownDomain();
      const ruling = await decide(asked, { counters, trace });
      countHits({ request, rules, asked, ruling }, count.hits, config.nearLimitRatio);
      return answer(request, asked, ruling);
    } catch (error) {
      count.failure(error);
      throw error;
    }
  };
}

/** Over a limit that is not in shadow mode by itself. */
function isRefused(ask: Asked, { verdicts }: Ruling): boolean {
  return typeof ask !== "string" && !ask.limit.isShadow && verdicts[ask.index]?.isOver === true;
}

export function createEnvoyRatelimit(shouldRateLimit: ShouldRateLimit): Binding {
  return bind(RateLimitService, { shouldRateLimit });
}
