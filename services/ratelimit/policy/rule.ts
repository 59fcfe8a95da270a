import type { Quota } from "../algorithms/quota.js";
import type { OnStoreFailure } from "../stores/charge.js";

/** What a rule can count. */
export const countables = ["requests", "tokens", "concurrent_requests"] as const;
export type Counted = (typeof countables)[number];

/** What is known of a caller, by the names that files use. */
export const attributeNames = [
  "ip",
  "api_key",
  "user",
  "tier",
  "model",
  "provider",
  "route",
] as const;
export type AttributeName = (typeof attributeNames)[number];

/** By what a rule can count: `caller` is the API key, or the address of a caller that showed none. */
export const countedByNames = [...attributeNames, "caller"] as const;
export type CountedBy = (typeof countedByNames)[number];

/** Values of one attribute. */
export interface Condition {
  readonly attribute: AttributeName;
  readonly values: ReadonlySet<string>;
  /** What stood before a trailing `*`. */
  readonly prefixes: readonly string[];
  /** Whether addresses of the machine itself are meant, too. */
  readonly isLoopback: boolean;
}

/** One limit of a policy file. */
export interface PolicyRule {
  /** No two rules of a policy have the same. */
  readonly name: string;
  readonly counts: Counted;
  /** Each combination of these has a counter of its own; none: everyone shares one. */
  readonly per: readonly CountedBy[];
  /** Who is counted: whoever matches all of them. */
  readonly when: readonly Condition[];
  /** Who is not: whoever matches any of them. */
  readonly except: readonly Condition[];
  readonly quota: Quota;
  readonly onStoreFailure: OnStoreFailure;
  /** The most units that a process may take in advance; undefined: it asks for each decision. */
  readonly lease: number | undefined;
  /** Counted and reported, but never a reason to refuse. */
  readonly isShadow: boolean;
}
