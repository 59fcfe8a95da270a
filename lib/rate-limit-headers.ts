import { type Limit, Unit } from "../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import type { LimitRecord } from "./rpc/call-record.js";

/** Limits of one answer that are told: of many, the tightest. */
const limitsToldMax = 16;
/** Characters of a name. */
const nameLengthMax = 128;
/** Limits whose policy is remembered as text; a policy has fewer. */
const writtenMax = 1_024;
/** The largest integer of a structured field (RFC 9651, section 3.3.1). */
const integerMax = 999_999_999_999_999;

/**
 * `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-11), and whether the shared counters were away.
 * Nothing where no limit applies. They must not stand in trailers.
 */
export function tellLimits(
  record: LimitRecord | undefined,
  set: (name: string, value: string) => void,
): void {
  if (record === undefined) return;
  const { requests, tokens, isDegraded } = record;
  if (isDegraded) set("x-ratelimit-degraded", "true");
  if (requests.length === 0 && tokens.length === 0) return;
  const limits = tightestOf(requests, tokens);
  // Retry-After must not come before the end of a window that is told: only the limits that refuse have one then.
  const isRefusal = limits.some(isRefusing);
  set("ratelimit-policy", limits.map(toPolicy).join(", "));
  set("ratelimit", limits.map((limit) => toState(limit, isRefusal)).join(", "));
}

/** What each of these headers says. */
export const rateLimitHeaderMeanings: Readonly<Record<string, string>> = {
  "ratelimit-policy": 'The limits that apply, such as `"per-ip";q=100;qu="requests";w=2`.',
  ratelimit:
    'What is left of each, and the seconds until it is whole, such as `"per-ip";r=50;t=1`.',
  "x-ratelimit-degraded": "`true` when it was decided without the shared counters.",
};

/** Each part comes with its own tightest first. */
function tightestOf(requests: readonly Limit[], tokens: readonly Limit[]): readonly Limit[] {
  const total = requests.length + tokens.length;
  if (total <= limitsToldMax) return tokens.length === 0 ? requests : [...requests, ...tokens];
  const half = limitsToldMax / 2;
  const fewTokens = tokens.slice(0, Math.max(half, limitsToldMax - requests.length));
  return [...requests.slice(0, limitsToldMax - fewTokens.length), ...fewTokens];
}

/** What never changes about a limit is written once. */
function toPolicy(limit: Limit): string {
  const { name, quota, unit, windowMs } = limit;
  const known = written.get(name);
  if (known?.quota === quota && known.unit === unit && known.windowMs === windowMs) {
    return known.text;
  }
  const window = windowMs === 0n ? "" : `;w=${toSeconds(windowMs)}`;
  const text = `${toText(name)};q=${toInteger(quota)};qu="${unitNameOf[unit] ?? "units"}"${window}`;
  if (written.size >= writtenMax) written.clear();
  written.set(name, { quota, unit, windowMs, text });
  return text;
}

const written = new Map<string, Pick<Limit, "quota" | "unit" | "windowMs"> & { text: string }>();

function toState(limit: Limit, isRefusal: boolean): string {
  const state = `${toText(limit.name)};r=${toInteger(limit.remaining)}`;
  const wait = isRefusal ? waitOf(limit) : limit.resetMs;
  // Slots come back when requests end, which nobody knows.
  const isTimed = limit.windowMs > 0n || (isRefusal && wait !== undefined);
  return wait === undefined || !isTimed ? state : `${state};t=${toSeconds(wait)}`;
}

/** Of a refusal; one that is for good has no end. */
function waitOf({ retryAfterMs }: Limit): bigint | undefined {
  return retryAfterMs === 0n ? undefined : retryAfterMs;
}

function isRefusing({ retryAfterMs }: Limit): boolean {
  return retryAfterMs !== 0n;
}

/** Two of them are the draft's; what a model reads is counted in a unit that it leaves to others. */
const unitNameOf: Readonly<Partial<Record<Unit, string>>> = {
  [Unit.REQUESTS]: "requests",
  [Unit.TOKENS]: "tokens",
  [Unit.CONCURRENT_REQUESTS]: "concurrent-requests",
};

/** A String of RFC 9651: printable ASCII, with quotes and backslashes escaped. Anything else becomes a question mark. */
function toText(name: string): string {
  if (plainName.test(name)) return `"${name}"`;
  const text = name.slice(0, nameLengthMax).replace(/[^ -~]/g, "?");
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

/** What a policy file can name. */
const plainName = /^[\w.-]{1,64}$/;

function toInteger(value: bigint): number {
  return Math.min(Number(value), integerMax);
}

/** Rounded up, so that nobody comes back too early. */
function toSeconds(milliseconds: bigint): number {
  return Math.min(Math.ceil(Number(milliseconds) / 1_000), integerMax);
}
