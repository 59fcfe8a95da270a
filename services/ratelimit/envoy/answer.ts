import { create } from "@bufbuild/protobuf";
import { type Duration, DurationSchema } from "@bufbuild/protobuf/wkt";
import {
  RateLimitResponse_Code as Code,
  RateLimitResponse_DescriptorStatusSchema,
  type RateLimitResponse_DescriptorStatus as Status,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import type { Ask, Asked } from "./ask.js";
import type { Verdict } from "./charge-group.js";
import type { Ruling } from "./decide.js";
import { windowMsOf } from "./limit.js";

const uint32Max = 4_294_967_295;

/** What the answer says of one descriptor. */
export function statusOf(asked: Asked, ruling: Ruling, dateMs: number): Status {
  if (typeof asked === "string") {
    const limitRemaining = asked === "unlimited" ? uint32Max : 0;
    return create(RateLimitResponse_DescriptorStatusSchema, { code: Code.OK, limitRemaining });
  }
  const verdict = ruling.verdicts[asked.index];
  return create(RateLimitResponse_DescriptorStatusSchema, {
    code: codeOf(asked, ruling),
    currentLimit: asked.limit.shown,
    limitRemaining: Math.min(verdict?.remaining ?? 0, uint32Max),
    durationUntilReset: toSeconds(resetMsOf(asked, verdict, dateMs)),
  });
}

/** Shadow mode shows nothing; a quota only what it does to the request. */
function codeOf(ask: Ask, { verdicts, areQuotasOver }: Ruling): Code {
  const isOver = verdicts[ask.index]?.isOver === true;
  if (!isOver || ask.limit.isShadow) return Code.OK;
  return ask.mode === "quota" && !areQuotasOver ? Code.OK : Code.OVER_LIMIT;
}

/** A window that nothing was spent in has an end too. */
function resetMsOf({ limit }: Ask, verdict: Verdict | undefined, dateMs: number): number {
  const { quota } = limit;
  const resetMs = verdict?.resetMs ?? 0;
  const isFixed = quota === "none" || (quota !== "unlimited" && quota.algorithm === "fixed_window");
  if (resetMs > 0 || !isFixed) return resetMs;
  const windowMs = windowMsOf(limit);
  return windowMs - (dateMs % windowMs);
}

function toSeconds(ms: number): Duration {
  return create(DurationSchema, { seconds: BigInt(Math.ceil(ms / 1_000)) });
}
