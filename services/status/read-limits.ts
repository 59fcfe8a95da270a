import { create } from "@bufbuild/protobuf";
import type { Registry } from "prom-client";
import { type LimitStatus, LimitStatusSchema } from "../../gen/arrowmesh/status/v1/status_pb.js";
import { readSeries } from "./registry-reader.js";

/** The limits that have decided something in this process, by name. */
export async function readLimits(registry: Registry): Promise<LimitStatus[]> {
  const limits = new Map<string, LimitStatus>();
  const limitOf = (name: string): LimitStatus => {
    const limit = limits.get(name) ?? create(LimitStatusSchema, { name });
    limits.set(name, limit);
    return limit;
  };
  for (const { labels, value } of await readSeries(registry, decisions)) {
    const field = fieldOf[String(labels.outcome)];
    if (field !== undefined) limitOf(String(labels.limit))[field] += value;
  }
  for (const { labels, value } of await readSeries(registry, degraded)) {
    limitOf(String(labels.limit)).degraded += value;
  }
  return [...limits.values()];
}

const decisions = "arrowmesh_ratelimit_limit_decisions_total";
const degraded = "arrowmesh_ratelimit_degraded_decisions_total";

const fieldOf: Readonly<
  Record<string, "allowed" | "refused" | "shadowAllowed" | "shadowRefused" | undefined>
> = {
  allowed: "allowed",
  refused: "refused",
  shadow_allowed: "shadowAllowed",
  shadow_refused: "shadowRefused",
};
