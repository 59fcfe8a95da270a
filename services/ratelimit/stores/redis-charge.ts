// What the scripts are told of a charge: decide.lua and settle.lua say what each argument is.

import type { Span } from "../../../lib/tracing/span.js";
import type { Quota } from "../algorithms/quota.js";
import type { Item } from "./charge.js";
import { counterKeyOf, openKeyOf } from "./redis-keys.js";

/** An item as decide.lua sees it. */
export interface RedisItem {
  /** Of its counter. */
  readonly key: string;
  readonly quota: Quota;
  readonly amount: number;
  /** After which it comes back; 0 if it is spent for good. */
  readonly heldMs: number;
  /** Whether it stands for its reservation when that expires; true of one item of a charge at most. */
  readonly isCounted: boolean;
}

/** A charge whose keys are in one slot. */
export interface RedisCharge {
  readonly mode: "peek" | "spend" | "hold" | "restore";
  readonly items: readonly RedisItem[];
  /** Present exactly when the mode is to hold. */
  readonly hold?: RedisHold;
  /** Whose wait it is. */
  readonly trace?: Span | undefined;
}

export interface RedisHold {
  readonly id: string;
  readonly ttlMs: number;
  /** Where the script keeps what was decided, and what it keeps beside. */
  readonly record?: { readonly key: string; readonly text: string };
}

/** What was held of one counter, as settle.lua sees it. */
export interface RedisHeld {
  readonly key: string;
  readonly quota: Quota;
  readonly amount: number;
  readonly spentAtMs: number;
  /** Its name among the reservations of the counter. */
  readonly member: string;
}

/** Keys and arguments of a call, which grow together. */
export interface ScriptInput {
  readonly keys: string[];
  readonly arguments: (string | number)[];
}

/** Each item as it is spent without a reservation, or looked at. */
export function spentForGood(items: readonly Item[]): readonly RedisItem[] {
  return items.map(({ rule, amount }) => {
    return { key: counterKeyOf(rule.key), quota: rule.quota, amount, heldMs: 0, isCounted: false };
  });
}

/** Each item as it is spent under a reservation, where what is not held stays for `finalMs`, 0 for good. */
export function spentUnder(
  items: readonly Item[],
  { ttlMs, finalMs }: { readonly ttlMs: number; readonly finalMs: number },
): readonly RedisItem[] {
  const counted = items.findIndex(isSpentUntilSettled);
  return items.map(({ rule, amount, isHeld }, index) => {
    const heldMs = isHeld ? ttlMs : finalMs;
    const key = counterKeyOf(rule.key);
    return { key, quota: rule.quota, amount, heldMs, isCounted: index === counted };
  });
}

/** Whether anything of the item comes back. */
export function isSpentUntilSettled({ isHeld, amount }: Item): boolean {
  return isHeld && amount > 0;
}

/** Adds a charge to a call of decide.lua. */
export function addCharge(input: ScriptInput, charge: RedisCharge, keys: "all" | "few"): void {
  const { mode, items, hold } = charge;
  input.arguments.push(mode, items.length);
  if (hold !== undefined) input.arguments.push(hold.id, hold.ttlMs, hold.record?.text ?? "");
  for (const item of items) addItem(input, item, { isHold: hold !== undefined, keys });
  if (hold?.record !== undefined) input.keys.push(hold.record.key);
}

function addItem(
  input: ScriptInput,
  { key, quota, amount, heldMs, isCounted }: RedisItem,
  { isHold, keys }: { readonly isHold: boolean; readonly keys: "all" | "few" },
): void {
  input.arguments.push(amount);
  if (isHold) input.arguments.push(heldMs, isCounted ? 1 : 0);
  addQuota(input.arguments, quota);
  input.keys.push(key);
  if (keys === "all" || (isHold && heldMs > 0)) input.keys.push(openKeyOf(key));
}

/** Adds an item to a call of settle.lua. */
export function addHeld(input: ScriptInput, held: RedisHeld): void {
  input.keys.push(held.key, openKeyOf(held.key));
  input.arguments.push(held.amount, held.spentAtMs, held.member);
  addQuota(input.arguments, held.quota);
}

/** As decide.lua names a reservation. */
export function memberOf(held: {
  readonly amount: number;
  readonly spentAtMs: number;
  readonly isCounted: boolean;
  readonly id: string;
}): string {
  return `${held.amount} ${held.spentAtMs} ${held.isCounted ? 1 : 0} ${held.id}`;
}

function addQuota(into: (string | number)[], quota: Quota): void {
  const { algorithm } = quota;
  switch (algorithm) {
    case "token_bucket":
      into.push(algorithm, quota.burst, quota.windowMs, quota.perWindow);
      break;
    case "concurrency":
      into.push(algorithm, quota.slots);
      break;
    default:
      into.push(algorithm, quota.units, quota.windowMs);
  }
}
