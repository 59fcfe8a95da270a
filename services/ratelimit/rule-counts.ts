import { MeshError } from "../../lib/errors.js";
import type { Charge, Decision } from "./stores/charge.js";

/** Rules counted by name; a policy that names more of them, or other ones over time, has the rest counted together. */
export const ruleNamesMax = 256;
const otherName = "other";

/** What became of the decisions that a rule was part of. */
export interface RuleCount {
  /** Every rule had room. */
  allowed: number;
  /** This rule had none. */
  refused: number;
  /** The same of a rule that is only tried out. */
  shadow_allowed: number;
  shadow_refused: number;
  /** Without the shared counters, by this rule's `onStoreFailure`. */
  allow: number;
  refuse: number;
  degrade: number;
}

/** Decisions by rule, in plain numbers: they cost nothing to add up, and are looked at when metrics are scraped. */
export class RuleCounts {
  readonly #counts = new Map<string, RuleCount>();

  entries(): Iterable<readonly [string, Readonly<RuleCount>]> {
    return this.#counts;
  }

  decided({ allowed, states }: Decision, mode: "" | "shadow_"): void {
    for (const { item, retryAfterMs } of states) {
      if (allowed) this.#of(item.rule.name)[`${mode}allowed`] += 1;
      else if (retryAfterMs !== 0) this.#of(item.rule.name)[`${mode}refused`] += 1;
    }
  }

  degraded({ states }: Decision): void {
    for (const { item } of states) this.#of(item.rule.name)[item.rule.onStoreFailure] += 1;
  }

  /** There is no decision when a rule refuses to make one without the shared counters. */
  failed({ items }: Charge, thrown: unknown): void {
    if (!(thrown instanceof MeshError) || thrown.fault !== "unavailable") return;
    for (const { rule } of items) {
      if (rule.onStoreFailure === "refuse") this.#of(rule.name).refuse += 1;
    }
  }

  #of(name: string): RuleCount {
    return this.#counts.get(name) ?? this.#add(name);
  }

  #add(name: string): RuleCount {
    if (name !== otherName && this.#counts.size >= ruleNamesMax) return this.#of(otherName);
    const count: RuleCount = {
      allowed: 0,
      refused: 0,
      shadow_allowed: 0,
      shadow_refused: 0,
      allow: 0,
      refuse: 0,
      degrade: 0,
    };
    this.#counts.set(name, count);
    return count;
  }
}
