import type { Quota } from "../algorithms/quota.js";
import { tokenBucketOf } from "../algorithms/token-bucket.js";
import type { Problems } from "../files/problems.js";
import { readChoice, readWhole } from "../files/values.js";
import type { YamlNode } from "../files/yaml-node.js";
import { readWindow } from "./read-window.js";
import type { Counted } from "./rule.js";

const unitsMax = 1_000_000_000_000;
const slotsMax = 1_000_000;
const rateAlgorithms = ["token_bucket", "sliding_window", "fixed_window"] as const;

export interface QuotaFields {
  readonly algorithm?: YamlNode;
  readonly quota?: YamlNode;
  readonly window?: YamlNode;
  readonly burst?: YamlNode;
}

/** How much a rule allows; undefined after what is wrong was added to `problems`. `place` is the rule. */
export function readQuota(
  fields: QuotaFields,
  counts: Counted,
  { place, problems }: { readonly place: YamlNode; readonly problems: Problems },
): Quota | undefined {
  if (fields.quota === undefined) problems.add(place, "quota: missing");
  return counts === "concurrent_requests"
    ? readSlots(fields, problems)
    : readRate(fields, place, problems);
}

function readSlots(
  { algorithm, quota, window, burst }: QuotaFields,
  problems: Problems,
): Quota | undefined {
  if (algorithm) readChoice(algorithm, "algorithm", { choices: ["concurrency"], problems });
  for (const [name, node] of Object.entries({ window, burst })) {
    if (node) problems.add(node, `${name}: concurrent requests have none`);
  }
  const slots = quota && readWhole(quota, "quota", { max: slotsMax, problems });
  return slots === undefined ? undefined : { algorithm: "concurrency", slots };
}

function readRate(fields: QuotaFields, place: YamlNode, problems: Problems): Quota | undefined {
  const algorithm = fields.algorithm
    ? readChoice(fields.algorithm, "algorithm", { choices: rateAlgorithms, problems })
    : "token_bucket";
  const rate = readNumbers(fields, place, problems);
  if (algorithm === undefined || rate === undefined) return undefined;
  const { units, windowMs, burst } = rate;
  if (algorithm === "token_bucket") {
    const quota = tokenBucketOf({ units, windowMs, burst });
    if (quota === undefined) problems.add(fields.burst ?? place, `burst: ${inexact}`);
    return quota;
  }
  if (fields.burst)
    problems.add(fields.burst, `burst: a ${algorithm} has none, a token_bucket has`);
  return { algorithm, units, windowMs };
}

const inexact = "one so large, refilled so slowly, cannot be counted exactly";

function readNumbers(fields: QuotaFields, place: YamlNode, problems: Problems) {
  if (fields.window === undefined) problems.add(place, "window: missing");
  const bounds = { max: unitsMax, problems };
  const windowMs = fields.window && readWindow(fields.window, problems);
  const units = fields.quota && readWhole(fields.quota, "quota", bounds);
  const burst = fields.burst ? readWhole(fields.burst, "burst", bounds) : units;
  if (windowMs === undefined || units === undefined || burst === undefined) return undefined;
  return { windowMs, units, burst };
}
