import { createHash } from "node:crypto";
import type { RateLimitDescriptor_Entry as Entry } from "../../../gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js";
import { extendKey } from "../stores/counter-key.js";
import { type DescriptorLevel, type FoundNode, nodeName } from "./descriptor-level.js";
import type { Limit } from "./limit.js";

/** A longer key is replaced by its hash. */
const keyLengthMax = 200;

/** The limit that holds for a descriptor, and the counter of its values. */
export interface FoundLimit {
  readonly limit: Limit;
  readonly key: string;
}

/** Walks down with the entries; the last of them must have a limit. */
export function findLimit(top: DescriptorLevel, entries: readonly Entry[]): FoundLimit | undefined {
  let level = top;
  let values = "";
  let limit: Limit | undefined;
  for (const { key, value } of entries) {
    const found = level.find(key, value);
    if (found === undefined) return undefined;
    const counted = isShared(found) ? found.node.value : value;
    values = extendKey(extendKey(values, key), counted);
    limit = found.node.limit;
    level = found.node.children;
  }
  return limit && { limit, key: bounded(limit.keyPrefix + values) };
}

/** The counter of a limit that the request brought along: each path of values has its own. */
export function overrideKey(limit: Limit, entries: readonly Entry[]): string {
  let counter = limit.keyPrefix;
  for (const { key, value } of entries) counter = extendKey(extendKey(counter, key), value);
  return bounded(counter);
}

/** What metrics call a path of values, where the limit's own path does not do. */
export function metricPath(
  limit: Limit,
  top: DescriptorLevel,
  entries: readonly Entry[],
): readonly string[] {
  const path: string[] = [];
  let level = top;
  for (const { key, value } of entries) {
    const found = level.find(key, value);
    if (found === undefined) break;
    path.push(nodeName(key, shownValue(found, value, limit.isDetailed)));
    level = found.node.children;
  }
  return path;
}

function shownValue(found: FoundNode, value: string, isDetailed: boolean): string {
  const { node, kind } = found;
  if (isShared(found)) return node.value;
  if (isDetailed || node.isValueInMetric || kind === "value") return value;
  return node.value;
}

/** A value that stands in the file by itself is not shared with those that match a wildcard beside it. */
function isShared({ node, kind }: FoundNode): boolean {
  return node.isShared && kind === "wildcard";
}

/** Short whatever a caller sends. */
function bounded(key: string): string {
  if (key.length <= keyLengthMax) return key;
  return `envoy#${createHash("sha256").update(key).digest("base64url")}`;
}
