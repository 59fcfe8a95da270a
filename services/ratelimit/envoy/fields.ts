import type { Problems } from "../files/problems.js";
import { describe, type YamlEntry, type YamlMap, type YamlNode } from "../files/yaml-node.js";

const uint32Max = 4_294_967_295;
/** As YAML 1.1 spells them, which envoyproxy/ratelimit reads. */
const flags: ReadonlyMap<string, boolean> = new Map([
  ...["true", "yes", "on", "y"].map((word) => [word, true] as const),
  ...["false", "no", "off", "n"].map((word) => [word, false] as const),
]);

/** The values of a map in a file, by name. What is wrong with them goes to `problems`, and reads as absent. */
export class Fields {
  readonly map: YamlMap;
  readonly #entries: ReadonlyMap<string, YamlEntry>;
  readonly #problems: Problems;

  /** `isKnown` names the keys that may stand here, and tells of the others what to do about them, if it knows. */
  constructor(map: YamlMap, known: ReadonlySet<string>, problems: Problems, hint: Hint = noHint) {
    this.map = map;
    this.#entries = new Map(map.entries.map((entry) => [entry.key, entry]));
    this.#problems = problems;
    for (const entry of map.entries) {
      if (!known.has(entry.key)) {
        problems.add(entry, `unknown key '${entry.key}'${hint(entry.key)}`);
      }
    }
  }

  /** Where something stands, or would: to say what is wrong with it. */
  place(key: string): YamlEntry | YamlMap {
    return this.#entries.get(key) ?? this.map;
  }

  node(key: string): YamlNode | undefined {
    const node = this.#entries.get(key)?.value;
    return node?.kind === "scalar" && node.value === undefined ? undefined : node;
  }

  /** Numbers and flags count as they are written; empty when it is absent. */
  text(key: string): string {
    const node = this.node(key);
    if (node === undefined) return "";
    if (node.kind === "scalar") return node.source;
    this.#refuse(node, key, "a text");
    return "";
  }

  flag(key: string): boolean {
    const node = this.node(key);
    if (node === undefined) return false;
    const flag = node.kind === "scalar" ? flags.get(node.source.toLowerCase()) : undefined;
    if (flag === undefined) this.#refuse(node, key, "true or false");
    return flag === true;
  }

  /** A whole number in `min`..2^32 - 1. */
  uint32(key: string, min: number): number | undefined {
    const node = this.node(key);
    if (node === undefined) return undefined;
    const value = node.kind === "scalar" ? Number(node.source.replaceAll("_", "")) : Number.NaN;
    if (Number.isInteger(value) && value >= min && value <= uint32Max) return value;
    this.#refuse(node, key, `a whole number in ${min}..${uint32Max}`);
    return undefined;
  }

  oneOf<const T extends string>(key: string, words: readonly T[]): T | undefined {
    const node = this.node(key);
    if (node === undefined) return undefined;
    const word = words.find((word) => node.kind === "scalar" && node.source === word);
    if (word === undefined) this.#refuse(node, key, `one of ${words.join(", ")}`);
    return word;
  }

  asMap(key: string): YamlMap | undefined {
    const node = this.node(key);
    if (node === undefined || node.kind === "map") return node;
    this.#refuse(node, key, "a map");
    return undefined;
  }

  /** Only maps stand in the lists of these files. */
  maps(key: string): readonly YamlMap[] {
    const node = this.node(key);
    if (node === undefined) return [];
    if (node.kind !== "list") {
      this.#refuse(node, key, "a list");
      return [];
    }
    return node.items.filter((item): item is YamlMap => {
      if (item.kind !== "map") this.#refuse(item, key, "a list of maps");
      return item.kind === "map";
    });
  }

  #refuse(node: YamlNode, key: string, wanted: string): void {
    this.#problems.add(node, `${key}: expected ${wanted}, not ${describe(node)}`);
  }
}

type Hint = (key: string) => string;
const noHint: Hint = () => "";
