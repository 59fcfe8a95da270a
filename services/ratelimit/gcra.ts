// The Generic Cell Rate Algorithm, virtual scheduling form (ITU-T Recommendation I.371, annex A): a token bucket whose
// whole state is one time, the theoretical arrival time, at which the bucket is full again.
//
// Every sum is over whole numbers, so nothing is lost to rounding however long a bucket lives. They count parts of a
// unit: one unit costs `windowMs` parts, and each millisecond pays back `perWindow` of them. gcra.lua does the same.

/** A bucket: `burst` units at once, refilled by `perWindow` units every `windowMs`. All are whole numbers from 1. */
export interface Bucket {
  readonly perWindow: number;
  readonly windowMs: number;
  readonly burst: number;
}

/** When a bucket is full again: whole milliseconds, and `parts / perWindow` of one more. */
export interface ArrivalTime {
  readonly ms: number;
  readonly parts: number;
}

/** Up to here sums of parts are exact in JavaScript and in Lua, with room for one addition. */
export const capacityPartsMax = 2 ** 52;

/** What was spent and has not come back yet, in parts. An absent time means a full bucket. */
export function debtOf(bucket: Bucket, time: ArrivalTime | undefined, nowMs: number): number {
  if (time === undefined) return 0;
  // The bounds hold by themselves, except after a change of the rule or a step of the clock.
  const parts = Math.min(time.parts, bucket.perWindow - 1);
  const debt = (time.ms - nowMs) * bucket.perWindow + parts;
  return Math.min(Math.max(debt, 0), capacityOf(bucket));
}

/** The state to keep for a debt; absent means full, which needs no state. */
export function arrivalOf(bucket: Bucket, debt: number, nowMs: number): ArrivalTime | undefined {
  if (debt <= 0) return undefined;
  const parts = debt % bucket.perWindow;
  return { ms: nowMs + (debt - parts) / bucket.perWindow, parts };
}

/** Milliseconds until `amount` fits: 0 now, undefined never, because it is over the burst. */
export function waitMs(bucket: Bucket, debt: number, amount: number): number | undefined {
  if (amount > bucket.burst) return undefined;
  const over = debt + costOf(bucket, amount) - capacityOf(bucket);
  return over <= 0 ? 0 : Math.ceil(over / bucket.perWindow);
}

/** Debt after `amount` was spent; the caller has seen that it fits. */
export function spend(bucket: Bucket, debt: number, amount: number): number {
  return debt + costOf(bucket, amount);
}

/** Debt after `amount` came back; a bucket is never more than full. */
export function giveBack(bucket: Bucket, debt: number, amount: number): number {
  return Math.max(0, debt - costOf(bucket, amount));
}

/** Whole units that can be spent now. */
export function remainingOf(bucket: Bucket, debt: number): number {
  return Math.floor((capacityOf(bucket) - debt) / bucket.windowMs);
}

/** Milliseconds until the bucket is full, if nothing more is spent. */
export function resetMs(bucket: Bucket, debt: number): number {
  return Math.ceil(debt / bucket.perWindow);
}

export function capacityOf(bucket: Bucket): number {
  return costOf(bucket, bucket.burst);
}

function costOf(bucket: Bucket, amount: number): number {
  return amount * bucket.windowMs;
}
