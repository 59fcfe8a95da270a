import type { Limit } from "./limit.js";

/** A step of a path of descriptors, as a file has it. */
export interface DescriptorNode {
  readonly limit: Limit | undefined;
  /** Whether metrics name the value that a request has here. */
  readonly isValueInMetric: boolean;
  /** The value as the file has it; empty where any value matches. */
  readonly value: string;
  /** Whether all values that match a wildcard share one counter. */
  readonly isShared: boolean;
  readonly children: DescriptorLevel;
}

/** How a node was found. */
export type MatchKind = "value" | "wildcard" | "key";

export interface FoundNode {
  readonly node: DescriptorNode;
  readonly kind: MatchKind;
}

interface Wildcard {
  readonly prefix: string;
  readonly node: DescriptorNode;
}

/** The descriptors that stand beside each other; looked up by key and value, without looking at each. */
export class DescriptorLevel {
  readonly #nodes = new Map<string, DescriptorNode>();
  readonly #wildcards: Wildcard[] = [];

  /** In the order in which they were added. */
  get nodes(): Iterable<DescriptorNode> {
    return this.#nodes.values();
  }

  has(name: string): boolean {
    return this.#nodes.has(name);
  }

  /** `name` is what `nodeName` says. */
  add(name: string, node: DescriptorNode): void {
    this.#nodes.set(name, node);
    if (name.endsWith("*")) this.#wildcards.push({ prefix: name.slice(0, -1), node });
  }

  /** The node of exactly this value; else of the first wildcard that it matches; else of the key alone. */
  find(key: string, value: string): FoundNode | undefined {
    const name = `${key}_${value}`;
    const exact = this.#nodes.get(name);
    if (exact !== undefined) return { node: exact, kind: "value" };
    for (const { prefix, node } of this.#wildcards) {
      if (name.startsWith(prefix)) return { node, kind: "wildcard" };
    }
    const any = this.#nodes.get(key);
    return any === undefined ? undefined : { node: any, kind: "key" };
  }
}

/** A descriptor's name among its siblings, as envoyproxy/ratelimit puts it together. */
export function nodeName(key: string, value: string): string {
  return value === "" ? key : `${key}_${value}`;
}
