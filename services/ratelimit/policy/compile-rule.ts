import type { AppliedRule } from "../stores/charge.js";
import { extendKey, keyPrefixOf } from "../stores/counter-key.js";
import type { Attributes } from "./attributes.js";
import type { Condition, CountedBy, PolicyRule } from "./rule.js";

/** A rule as it applies to a caller; undefined where it does not. */
export type CompiledRule = (attributes: Attributes) => AppliedRule | undefined;

/** Does once what would be the same for every caller: this runs for each rule of each decision. */
export function compileRule(rule: PolicyRule): CompiledRule {
  const { name, per, when, except, quota, onStoreFailure, lease } = rule;
  const prefix = keyPrefixOf(["policy", name, ...per], quota);
  const everyone: AppliedRule = { name, key: prefix, quota, onStoreFailure, lease };
  return (attributes) => {
    if (!areAllMet(when, attributes) || isAnyMet(except, attributes)) return undefined;
    if (per.length === 0) return everyone;
    const key = keyOf(prefix, per, attributes);
    return key === undefined ? undefined : { name, key, quota, onStoreFailure, lease };
  };
}

/** Undefined where something that it is made of is not known. */
function keyOf(
  prefix: string,
  per: readonly CountedBy[],
  attributes: Attributes,
): string | undefined {
  let key = prefix;
  for (const attribute of per) {
    const value = attributes[attribute];
    if (value === "") return undefined;
    key = extendKey(key, value);
  }
  return key;
}

function areAllMet(conditions: readonly Condition[], attributes: Attributes): boolean {
  for (const condition of conditions) if (!isMet(condition, attributes)) return false;
  return true;
}

function isAnyMet(conditions: readonly Condition[], attributes: Attributes): boolean {
  for (const condition of conditions) if (isMet(condition, attributes)) return true;
  return false;
}

function isMet(condition: Condition, attributes: Attributes): boolean {
  const value = attributes[condition.attribute];
  if (value === "") return false;
  if (condition.values.has(value) || (condition.isLoopback && attributes.isLoopback)) return true;
  for (const prefix of condition.prefixes) if (value.startsWith(prefix)) return true;
  return false;
}
