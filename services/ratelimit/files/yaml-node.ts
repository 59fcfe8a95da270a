import type { Place } from "./invalid-files.js";

/** What stands in a YAML file, aliases resolved; every part knows its line. */
export type YamlNode = YamlScalar | YamlList | YamlMap;

export interface YamlScalar extends Place {
  readonly kind: "scalar";
  /** As YAML 1.2 reads it; undefined for null and for nothing at all. */
  readonly value: string | number | boolean | undefined;
  /** As it is written, without quotes: `1.0` where the value is 1. */
  readonly source: string;
  /** The variable of the environment it comes from: what that holds is not to be told. */
  readonly variable?: string;
}

export interface YamlList extends Place {
  readonly kind: "list";
  readonly items: readonly YamlNode[];
}

export interface YamlMap extends Place {
  readonly kind: "map";
  /** In the order of the file, each key once. */
  readonly entries: readonly YamlEntry[];
}

/** Its place is that of the key. */
export interface YamlEntry extends Place {
  readonly key: string;
  readonly value: YamlNode;
}

/** A node as a message names it. */
export function describe(node: YamlNode): string {
  if (node.kind !== "scalar") return `a ${node.kind}`;
  if (node.variable !== undefined) return `the value of ${node.variable}`;
  if (node.value === undefined) return "nothing";
  return typeof node.value === "string" ? JSON.stringify(node.value) : String(node.value);
}
