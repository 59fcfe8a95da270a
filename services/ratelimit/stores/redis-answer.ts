import { MeshError } from "../../../lib/errors.js";
import type { Charge, Decision, Item, ItemState } from "./charge.js";
import { isSpentUntilSettled, memberOf, type RedisHeld } from "./redis-charge.js";
import { type ReplyWord, toFault } from "./redis-connection.js";
import { counterKeyOf, plainId } from "./redis-keys.js";

/** What decide.lua says of a charge. */
export type ChargeAnswer =
  | { readonly kind: "decided"; readonly decision: Decision }
  | { readonly kind: "known"; readonly record: string };

/** When an item was spent, and how it stood then. */
export interface RecordedItem {
  readonly spentAtMs: number;
  readonly remaining: number;
  readonly resetMs: number;
}

/** An open reservation: what was charged and answered first. */
export interface OpenedRecord {
  readonly items: readonly Item[];
  readonly recorded: readonly RecordedItem[];
}

const [refusedStatus, allowedStatus, fullStatus, knownStatus] = [0, 1, 2, 3];

/** How many words of a reply are about a charge that is answered with this status. */
export function answerLength(status: ReplyWord | undefined, items: number): number {
  if (status === allowedStatus) return 1 + 2 * items;
  if (status === refusedStatus) return 1 + 4 * items;
  return status === knownStatus ? 2 : 1;
}

/** Throws what concerns this charge only. */
export function readAnswer(items: readonly Item[], reply: readonly ReplyWord[]): ChargeAnswer {
  const [status] = reply;
  if (status instanceof Error) throw toFault(status);
  if (status === knownStatus) return { kind: "known", record: String(reply[1]) };
  if (status === fullStatus) {
    throw new MeshError("overloaded", "too many reservations at once", { retryAfterMs: 1_000 });
  }
  // Of a decided charge, decide.lua answers numbers.
  const numbers = reply as readonly number[];
  const allowed = status === allowedStatus;
  const decision = allowed ? decisionOf(items, numbers) : refusalOf(items, numbers);
  return { kind: "decided", decision };
}

/** What a reservation was given, as the text that decide.lua keeps. */
export function toRecordText({ items }: Charge): string {
  return JSON.stringify(items);
}

/** As decide.lua writes it: when it ends, three numbers an item, the text. */
export function toRecord(dueAtMs: number, record: OpenedRecord): string {
  const words = record.recorded.map(
    (item) => `${item.spentAtMs} ${item.remaining} ${item.resetMs}`,
  );
  return `${[dueAtMs, ...words].join(" ")}\n${toRecordText({ items: record.items })}`;
}

/** Undefined where nothing has been decided yet. */
export function readRecord(record: string): OpenedRecord | undefined {
  const end = record.indexOf("\n");
  if (end < 0) return undefined;
  const [, ...numbers] = record.slice(0, end).split(" ").map(Number);
  // Written by `toRecordText`, from items.
  const items = JSON.parse(record.slice(end + 1)) as readonly Item[];
  const recorded = items.map((_, index) => ({
    spentAtMs: numbers[3 * index] ?? 0,
    remaining: numbers[3 * index + 1] ?? 0,
    resetMs: numbers[3 * index + 2] ?? 0,
  }));
  return { items, recorded };
}

/** The answer of the call that opened it. */
export function firstDecisionOf({ items, recorded }: OpenedRecord): Decision {
  const states = items.map((item, index) => {
    const { remaining = 0, resetMs = 0 } = recorded[index] ?? {};
    return { item, remaining, resetMs, retryAfterMs: 0 };
  });
  return { allowed: true, states, isDegraded: false };
}

/** What settle.lua has to end. */
export function heldOf(id: string, { items, recorded }: OpenedRecord): readonly RedisHeld[] {
  const counted = items.findIndex(isSpentUntilSettled);
  return items.flatMap((item, index) => {
    if (!isSpentUntilSettled(item)) return [];
    const { rule, amount } = item;
    const spentAtMs = recorded[index]?.spentAtMs ?? 0;
    const isCounted = index === counted;
    const member = memberOf({ amount, spentAtMs, isCounted, id: plainId(id) });
    return [{ key: counterKeyOf(rule.key), quota: rule.quota, amount, spentAtMs, member }];
  });
}

function decisionOf(items: readonly Item[], numbers: readonly number[]): Decision {
  const states = items.map((item, index) => ({
    item,
    remaining: numbers[2 * index + 1] ?? 0,
    resetMs: numbers[2 * index + 2] ?? 0,
    retryAfterMs: 0,
  }));
  return { allowed: true, states, isDegraded: false };
}

function refusalOf(items: readonly Item[], numbers: readonly number[]): Decision {
  const states = items.map((item, index): ItemState => {
    const [remaining = 0, resetMs = 0, waitMs = 0, isFirm] = numbers.slice(4 * index + 1);
    const retryAfterMs = waitMs < 0 ? undefined : waitMs;
    const state = { item, remaining, resetMs, retryAfterMs };
    return isFirm === 1 && waitMs !== 0 ? { ...state, isFirm: true } : state;
  });
  return { allowed: false, states, isDegraded: false };
}
