import { type Limit, Unit } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { MeshError, type QuotaViolation } from "../../lib/errors.js";
import type { CallContext } from "../../lib/rpc/call.js";

/** A decision that refused, as the fault that callers are told. */
export function toRefusal(
  limits: readonly Limit[],
  context: CallContext,
  model: string,
): MeshError {
  const refusing = refusingOf(limits);
  const names = refusing.map((limit) => limit.name).join(", ");
  const what = [...new Set(refusing.map(({ unit }) => wordFor(unit)))].join(" and ");
  const waits = refusing.map((limit) => limit.retryAfterMs).filter((wait) => wait !== undefined);
  const quotas = refusing.map((limit) => toViolation(limit, context, model));
  // A refusal without a wait is for good: the amount is over the whole quota.
  if (waits.length < refusing.length) {
    return new MeshError("limited", `more ${what} than ${names} ever allows`, { quotas });
  }
  const retryAfterMs = Math.max(...waits.map(Number));
  return new MeshError("limited", `too many ${what} (${names})`, { quotas, retryAfterMs });
}

/** The limits without room for what was asked. */
export function refusingOf(limits: readonly Limit[]): readonly Limit[] {
  return limits.filter((limit) => limit.retryAfterMs !== 0n);
}

/** A ratelimit service that is newer than this gateway may count something else. */
function wordFor(unit: Unit): string {
  return wordOf[unit] ?? "units";
}

const wordOf: Readonly<Partial<Record<Unit, string>>> = {
  [Unit.REQUESTS]: "requests",
  [Unit.TOKENS]: "tokens",
  [Unit.CONCURRENT_REQUESTS]: "concurrent requests",
};

function toViolation(limit: Limit, context: CallContext, model: string): QuotaViolation {
  const { name, quota, remaining, windowMs } = limit;
  const what = wordFor(limit.unit);
  const pace = windowMs === 0n ? "" : ` per ${Number(windowMs) / 1_000} s`;
  return {
    subject: subjectOf(context),
    description: `${name}: ${quota} ${what}${pace}, ${remaining} left`,
    quotaMetric: what.replace(" ", "-"),
    quotaId: name,
    quotaDimensions: given({
      model,
      tier: context.caller?.tier,
      route: context.caller?.route,
    }),
    quotaValue: quota,
  };
}

/** All that is known of who called: which of it a rule counts by is the policy's own matter. */
function subjectOf({ clientIp, caller }: CallContext): string {
  const known = given({ ip: clientIp, api_key: caller?.apiKey, user: caller?.user });
  return Object.entries(known)
    .map(([name, value]) => `${name}:${value}`)
    .join(" ");
}

function given(facts: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const known = Object.entries(facts).filter(([, value]) => value !== undefined && value !== "");
  // The filter has taken out what is undefined.
  return Object.fromEntries(known) as Record<string, string>;
}
