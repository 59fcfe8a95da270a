import { create } from "@bufbuild/protobuf";
import {
  RateLimitResponse_RateLimitSchema,
  RateLimitResponse_RateLimit_Unit as Unit,
} from "../../../gen/envoy/service/ratelimit/v3/rls_pb.js";
import { unitsMaxOf } from "../algorithms/quota.js";
import type { Problems } from "../files/problems.js";
import type { YamlMap } from "../files/yaml-node.js";
import type { OnStoreFailure } from "../stores/charge.js";
import { Fields } from "./fields.js";
import {
  type Algorithm,
  algorithms,
  type Limit,
  prefixOf,
  quotaOf,
  titleOf,
  unitMs,
} from "./limit.js";

export const limitKeys: ReadonlySet<string> = new Set([
  "name",
  "replaces",
  "unit",
  "unit_multiplier",
  "requests_per_unit",
  "unlimited",
  "algorithm",
  "burst",
  "on_store_failure",
  "lease",
]);
const replaceKeys: ReadonlySet<string> = new Set(["name"]);
const storeFailures: readonly OnStoreFailure[] = ["allow", "refuse", "degrade"];
const units: ReadonlyMap<string, Unit> = new Map(
  Object.entries(Unit).filter(([, unit]) => unit !== Unit.UNKNOWN),
);

/** What a limit has from where it stands. */
export type LimitPlace = Omit<
  Limit,
  "title" | "name" | "replaces" | "quota" | "shown" | "keyPrefix" | "onStoreFailure" | "lease"
> & { readonly domain: string };

/** A `rate_limit` of a file; undefined where something is wrong with it. */
export function readLimit(
  map: YamlMap,
  { domain, ...place }: LimitPlace,
  problems: Problems,
): Limit | undefined {
  const fields = new Fields(map, limitKeys, problems);
  const name = fields.text("name");
  const replaces = readReplaces(fields, name, problems);
  const onStoreFailure = fields.oneOf("on_store_failure", storeFailures) ?? "refuse";
  const terms = fields.flag("unlimited")
    ? readUnlimited(fields, problems)
    : readTerms(fields, problems);
  if (terms === undefined) return undefined;
  const { quota, unit, requestsPerUnit, unitMultiplier } = terms;
  const lease = readLease(fields, quota, problems);
  const shown = create(RateLimitResponse_RateLimitSchema, { name, unit, requestsPerUnit });
  if (unitMultiplier > 1) shown.unitMultiplier = unitMultiplier;
  const title = titleOf(domain, name, place.path);
  const keyPrefix = prefixOf(domain, quota);
  return { ...place, title, name, replaces, quota, shown, keyPrefix, onStoreFailure, lease };
}

function readLease(fields: Fields, quota: Limit["quota"], problems: Problems): number | undefined {
  const lease = fields.uint32("lease", 1);
  if (lease === undefined || typeof quota === "string") return undefined;
  const most = unitsMaxOf(quota);
  if (lease <= most) return lease;
  problems.add(fields.place("lease"), `lease: expected no more than the limit, ${most}`);
  return undefined;
}

interface Terms {
  readonly quota: Limit["quota"];
  readonly unit: Unit;
  readonly unitMultiplier: number;
  readonly requestsPerUnit: number;
}

function readTerms(fields: Fields, problems: Problems): Terms | undefined {
  const word = fields.text("unit");
  const unit = units.get(word.toUpperCase());
  if (unit === undefined) problems.add(fields.place("unit"), `invalid rate limit unit '${word}'`);
  const unitMultiplier = fields.uint32("unit_multiplier", 1) ?? 1;
  const requestsPerUnit = fields.uint32("requests_per_unit", 0) ?? 0;
  const algorithm: Algorithm = fields.oneOf("algorithm", algorithms) ?? "fixed_window";
  const burst = fields.uint32("burst", 1);
  if (burst !== undefined && algorithm !== "token_bucket") {
    problems.add(fields.place("burst"), "burst needs 'algorithm: token_bucket'");
  }
  if (unit === undefined) return undefined;
  const windowMs = (unitMs.get(unit) ?? 0) * unitMultiplier;
  const made = quotaOf({
    algorithm,
    units: requestsPerUnit,
    windowMs,
    burst: burst ?? requestsPerUnit,
  });
  if ("quota" in made) return { quota: made.quota, unit, unitMultiplier, requestsPerUnit };
  problems.add(fields.place(unitMultiplier > 1 ? "unit_multiplier" : "burst"), made.refusal);
  return undefined;
}

function readUnlimited(fields: Fields, problems: Problems): Terms {
  for (const key of ["unit", "unit_multiplier", "algorithm", "burst", "lease"]) {
    if (fields.node(key) === undefined) continue;
    const what = key === "unit" ? "rate limit unit" : key;
    problems.add(fields.place(key), `should not specify ${what} when unlimited`);
  }
  const requestsPerUnit = fields.uint32("requests_per_unit", 0) ?? 0;
  return { quota: "unlimited", unit: Unit.UNKNOWN, unitMultiplier: 1, requestsPerUnit };
}

function readReplaces(fields: Fields, ownName: string, problems: Problems): readonly string[] {
  return fields.maps("replaces").map((map) => {
    const entry = new Fields(map, replaceKeys, problems);
    const name = entry.text("name");
    const place = entry.place("name");
    if (name === "") problems.add(place, "should not have an empty replaces entry");
    else if (name === ownName) {
      problems.add(place, "replaces should not contain name of same descriptor");
    }
    return name;
  });
}
