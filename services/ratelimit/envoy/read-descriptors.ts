import type { JsonValue } from "@bufbuild/protobuf";
import type { Problems } from "../files/problems.js";
import type { YamlMap, YamlNode } from "../files/yaml-node.js";
import { DescriptorLevel, nodeName } from "./descriptor-level.js";
import { Fields } from "./fields.js";
import { limitKeys, readLimit } from "./read-limit.js";

const descriptorKeys: ReadonlySet<string> = new Set([
  "key",
  "value",
  "rate_limit",
  "descriptors",
  "shadow_mode",
  "quota_mode",
  "detailed_metric",
  "value_to_metric",
  "share_threshold",
  "metadata",
]);
const hint = (key: string): string => (limitKeys.has(key) ? ", which belongs in rate_limit" : "");

/** Where a list of descriptors stands. */
export interface Parent {
  readonly domain: string;
  /** The names of the descriptors that it is below. */
  readonly path: readonly string[];
  /** Whether a descriptor above has its values in metrics. */
  readonly hasValuesInMetric: boolean;
}

/** Adds the descriptors of a list to those that already stand at its place. */
export function readDescriptors(
  level: DescriptorLevel,
  parent: Parent,
  maps: readonly YamlMap[],
  problems: Problems,
): void {
  for (const map of maps) readDescriptor(level, parent, map, problems);
}

function readDescriptor(
  level: DescriptorLevel,
  { domain, path: parentPath, hasValuesInMetric: areAbove }: Parent,
  map: YamlMap,
  problems: Problems,
): void {
  const fields = new Fields(map, descriptorKeys, problems, hint);
  const key = fields.text("key");
  const value = fields.text("value");
  if (key === "") problems.add(fields.place("key"), "descriptor has empty key");
  const name = nodeName(key, value);
  const path = [...parentPath, name];
  if (key !== "" && level.has(name)) {
    const composite = [domain, ...path].join(".");
    problems.add(map, `duplicate descriptor composite key '${composite}'`);
  }
  const isShared = fields.flag("share_threshold");
  if (isShared && !name.endsWith("*")) {
    const place = fields.place("share_threshold");
    problems.add(place, `share_threshold needs a value that ends with '*', not '${name}'`);
  }
  const isValueInMetric = fields.flag("value_to_metric");
  const hasValuesInMetric = areAbove || isValueInMetric;
  const metadata = fields.asMap("metadata");
  const place = {
    domain,
    path,
    hasValuesInMetric,
    isShadow: fields.flag("shadow_mode"),
    isQuota: fields.flag("quota_mode"),
    isDetailed: fields.flag("detailed_metric"),
    metadata: metadata && toMetadata(metadata),
  };
  const limitMap = fields.asMap("rate_limit");
  const limit = limitMap && readLimit(limitMap, place, problems);
  const children = new DescriptorLevel();
  const parent = { domain, path, hasValuesInMetric };
  readDescriptors(children, parent, fields.maps("descriptors"), problems);
  level.add(name, {
    limit,
    isValueInMetric,
    value: value === "" && isShared ? key : value,
    isShared,
    children,
  });
}

function toMetadata(node: YamlNode): JsonValue {
  switch (node.kind) {
    case "map":
      return Object.fromEntries(node.entries.map(({ key, value }) => [key, toMetadata(value)]));
    case "list":
      return node.items.map(toMetadata);
    default:
      return node.value ?? null;
  }
}
