import { type CompiledRule, compileRule } from "./compile-rule.js";
import { type Counted, countables, type PolicyRule } from "./rule.js";

export type RulesByCounted = Readonly<Record<Counted, readonly CompiledRule[]>>;

/** Rules in the form in which decisions use them. */
export interface Policy {
  readonly enforced: RulesByCounted;
  /** Those that never refuse; undefined where there are none. */
  readonly shadow: RulesByCounted | undefined;
  /** What the rule of a name counts. */
  readonly countedOf: ReadonlyMap<string, Counted>;
  readonly ruleCount: number;
  /** Whether no decision is made without the shared counters, because every rule refuses to. */
  readonly isRefuseOnly: boolean;
}

export function createPolicy(rules: readonly PolicyRule[]): Policy {
  const shadow = rules.filter(({ isShadow }) => isShadow);
  const enforced = rules.filter(({ isShadow }) => !isShadow);
  return {
    enforced: byCounted(enforced),
    shadow: shadow.length === 0 ? undefined : byCounted(shadow),
    countedOf: new Map(rules.map(({ name, counts }) => [name, counts])),
    ruleCount: rules.length,
    isRefuseOnly:
      enforced.length > 0 && enforced.every(({ onStoreFailure }) => onStoreFailure === "refuse"),
  };
}

function byCounted(rules: readonly PolicyRule[]): RulesByCounted {
  const of = (counted: Counted): readonly CompiledRule[] =>
    rules.filter(({ counts }) => counts === counted).map(compileRule);
  const [requests, tokens, concurrent] = countables;
  return {
    [requests]: of(requests),
    [tokens]: of(tokens),
    [concurrent]: of(concurrent),
  };
}
