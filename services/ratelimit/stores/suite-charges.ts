// Charges and questions in few words, for tests of stores.

import { randomUUID } from "node:crypto";
import type { Quota, TokenBucketQuota } from "../algorithms/quota.js";
import type { AppliedRule, Charge, Decision } from "./charge.js";
import type { LimitStore } from "./store.js";

/** A store under test, and time as it sees it. */
export interface StoreUnderTest {
  readonly store: LimitStore;
  readonly wait: (ms: number) => Promise<void>;
}

const yearMs = 31_536_000_000;
export const lastingUnits = 500;

/** `lastingUnits` that do not come back while a test runs, by each algorithm. */
export const lasting: readonly Quota[] = [
  { algorithm: "token_bucket", perWindow: 1, windowMs: 3_600_000, burst: lastingUnits },
  { algorithm: "sliding_window", units: lastingUnits, windowMs: yearMs },
  { algorithm: "fixed_window", units: lastingUnits, windowMs: yearMs },
  { algorithm: "concurrency", slots: lastingUnits },
];

/** Refilled too slowly for any test to notice. */
export const slow: TokenBucketQuota = {
  algorithm: "token_bucket",
  perWindow: 1,
  windowMs: 3_600_000,
  burst: 10,
};
/** A rule with a counter of its own. */
export function ruleOf(quota: Quota, key = randomUUID()): AppliedRule {
  return { name: "rule", key, quota, onStoreFailure: "refuse" };
}

/** Spends the same amount of each rule for good. */
export function spending(amount: number, ...rules: readonly AppliedRule[]): Charge {
  return { items: rules.map((rule) => ({ rule, amount, isHeld: false })) };
}

/** Holds the same amount of each rule under an id, for a minute unless told otherwise. */
export function holding(
  { id, amount, ttlMs = 60_000 }: { id: string; amount: number; ttlMs?: number },
  ...rules: readonly AppliedRule[]
): Charge {
  const items = rules.map((rule) => ({ rule, amount, isHeld: true }));
  return { items, reservation: { id, ttlMs } };
}

/** What each rule has left. */
export async function left(store: LimitStore, ...rules: readonly AppliedRule[]): Promise<number[]> {
  return (await store.peek(spending(0, ...rules))).states.map(({ remaining }) => remaining);
}

/** How often the call was allowed before it was refused for the first time, `times` at most. */
export async function timesAllowed(
  times: number,
  call: () => Promise<Pick<Decision, "allowed">>,
): Promise<number> {
  for (let count = 0; count < times; count += 1) if (!(await call()).allowed) return count;
  return times;
}

export async function commit(store: LimitStore, ...ids: readonly string[]): Promise<void> {
  await store.settle(ids.map((id) => ({ id, keptMax: Number.POSITIVE_INFINITY })));
}

export async function release(store: LimitStore, ...ids: readonly string[]): Promise<void> {
  await store.settle(ids.map((id) => ({ id, keptMax: 0 })));
}
