import type { Problems } from "./problems.js";
import { describe, type YamlMap, type YamlNode } from "./yaml-node.js";

/**
 * The values of a map by name, where only `names` may stand; undefined when it is no map. What is wrong is added to
 * `problems`, and so it is by all that reads a value.
 */
export function readFields<const Name extends string>(
  node: YamlNode,
  names: readonly Name[],
  problems: Problems,
): Partial<Record<Name, YamlNode>> | undefined {
  const map = readMap(node, problems);
  if (map === undefined) return undefined;
  const fields: Partial<Record<Name, YamlNode>> = {};
  for (const entry of map.entries) {
    const name = names.find((each) => each === entry.key);
    if (name !== undefined) fields[name] = entry.value;
    else problems.add(entry, `unknown field "${entry.key}", expected one of ${names.join(", ")}`);
  }
  return fields;
}

export function readMap(node: YamlNode, problems: Problems): YamlMap | undefined {
  if (node.kind === "map") return node;
  problems.add(node, `expected a map, found ${describe(node)}`);
  return undefined;
}

export function readList(node: YamlNode, problems: Problems): readonly YamlNode[] {
  if (node.kind === "list") return node.items;
  problems.add(node, `expected a list, found ${describe(node)}`);
  return [];
}

/** A text that says something. */
export function readText(
  node: YamlNode,
  name: string,
  bounds: { readonly lengthMax: number; readonly problems: Problems },
): string | undefined {
  const { lengthMax, problems } = bounds;
  if (node.kind !== "scalar" || node.source === "") {
    problems.add(node, `${name}: expected a text, found ${describe(node)}`);
  } else if (node.source.length > lengthMax) {
    problems.add(node, `${name}: ${node.source.length} characters, over ${lengthMax}`);
  } else return node.source;
  return undefined;
}

export function readWhole(
  node: YamlNode,
  name: string,
  bounds: { readonly max: number; readonly problems: Problems },
): number | undefined {
  const value = node.kind === "scalar" ? node.value : undefined;
  if (typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= bounds.max) {
    return value;
  }
  const expected = `expected a whole number in 1..${bounds.max}`;
  bounds.problems.add(node, `${name}: ${expected}, found ${describe(node)}`);
  return undefined;
}

export function readChoice<const Choice extends string>(
  node: YamlNode,
  name: string,
  bounds: { readonly choices: readonly Choice[]; readonly problems: Problems },
): Choice | undefined {
  const choice = bounds.choices.find((each) => node.kind === "scalar" && node.source === each);
  if (choice !== undefined) return choice;
  const expected = `expected one of ${bounds.choices.join(", ")}`;
  bounds.problems.add(node, `${name}: ${expected}, found ${describe(node)}`);
  return undefined;
}

/** `true` and `false`, and `1` and `0` as settings have it. */
export function readFlag(node: YamlNode, name: string, problems: Problems): boolean | undefined {
  const value = node.kind === "scalar" ? flags.get(node.source) : undefined;
  if (value === undefined) {
    problems.add(node, `${name}: expected true or false, found ${describe(node)}`);
  }
  return value;
}

const flags: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["false", false],
  ["1", true],
  ["0", false],
]);
