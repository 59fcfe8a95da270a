// The algorithm against what it promises, written down without it.

import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { FakeClock } from "../../../lib/fake-clock.js";
import { seeded } from "../../../test/support/random.js";
import { MemoryStore } from "../stores/memory-store.js";
import { holding, release, ruleOf, spending } from "../stores/suite-charges.js";
import type { TokenBucketQuota } from "./quota.js";
import { TokenBucket } from "./token-bucket.js";

interface Spent {
  readonly atMs: number;
  readonly amount: number;
}

const rounds = 150;
const steps = 80;

test("an amount is admitted exactly when no window gets more than rate * window + burst", (t) => {
  const next = seeded(t).int;
  for (let round = 0; round < rounds; round += 1) {
    const bucket = anyBucket(next);
    const admitted: Spent[] = [];
    const timed = new TimedBucket(bucket);
    for (let step = 0; step < steps; step += 1) {
      timed.pass(anyPause(next, bucket));
      const amount = 1 + next(Math.ceil(bucket.burst * 1.2));
      const expected = everyWindowHasRoom(bucket, admitted, { atMs: timed.nowMs, amount });
      equal(
        timed.change(amount),
        expected,
        `round ${round}, step ${step}: ${JSON.stringify(bucket)}`,
      );
      if (expected) admitted.push({ atMs: timed.nowMs, amount });
    }
  }
});

test("spending and giving back keep to a bucket that is refilled one millisecond at a time", (t) => {
  const next = seeded(t).int;
  for (let round = 0; round < rounds; round += 1) {
    const bucket = anyBucket(next);
    const reference = new CountedBucket(bucket);
    const timed = new TimedBucket(bucket);
    const open: number[] = [];
    for (let step = 0; step < steps; step += 1) {
      const pauseMs = Math.min(anyPause(next, bucket), 2_000);
      timed.pass(pauseMs);
      reference.pass(pauseMs);
      const change = anyChange(next, bucket, open);
      const taken = timed.change(change);
      equal(taken, reference.change(change), `round ${round}, step ${step}`);
      if (taken && change > 0) open.push(change);
      equal(timed.remaining, reference.remaining);
    }
  }
});

test("what is given back at once leaves everything as if it had never been spent", async (t) => {
  const next = seeded(t).int;
  for (let round = 0; round < rounds; round += 1) {
    const bucket = anyBucket(next);
    const clock = new FakeClock();
    const bounds = { keysMax: 10, reservationsMax: 10 };
    const [touched, untouched] = [new MemoryStore(bounds, clock), new MemoryStore(bounds, clock)];
    const rule = ruleOf(bucket);
    for (let step = 0; step < steps; step += 1) {
      await clock.moveTo(clock.nowMs() + anyPause(next, bucket));
      const charge = spending(1 + next(bucket.burst), rule);
      await touched.spend(holding({ id: `${step}`, amount: 1 + next(bucket.burst) }, rule));
      await release(touched, `${step}`);
      deepEqual(await touched.spend(charge), await untouched.spend(charge));
    }
  }
});

test("with reservations open, spent less given back stays within rate * window + burst", (t) => {
  const next = seeded(t).int;
  for (let round = 0; round < rounds; round += 1) {
    const bucket = anyBucket(next);
    const history = anyHistory(next, bucket);
    ok(history.every((last, index) => everyWindowHasRoom(bucket, history.slice(0, index), last)));
  }
});

/** What a bucket admitted and got back, given back as less than nothing. */
function anyHistory(next: (n: number) => number, bucket: TokenBucketQuota): readonly Spent[] {
  const timed = new TimedBucket(bucket);
  const history: Spent[] = [];
  const open: number[] = [];
  for (let step = 0; step < steps; step += 1) {
    timed.pass(anyPause(next, bucket));
    const amount = anyChange(next, bucket, open);
    if (!timed.change(amount)) continue;
    history.push({ atMs: timed.nowMs, amount });
    if (amount > 0) open.push(amount);
  }
  return history;
}

/** An amount to spend, or one of `open`, which it leaves, to give back: less than nothing. */
function anyChange(next: (n: number) => number, bucket: TokenBucketQuota, open: number[]): number {
  const returned = next(3) === 0 ? open.splice(next(open.length), 1)[0] : undefined;
  return returned === undefined ? 1 + next(bucket.burst) : -returned;
}

/** A bucket, and time. */
class TimedBucket {
  readonly #bucket: TokenBucket;
  nowMs = 1_700_000_000_000;

  constructor(quota: TokenBucketQuota) {
    this.#bucket = new TokenBucket(quota);
  }

  get remaining(): number {
    return this.#bucket.remaining(this.nowMs);
  }

  pass(ms: number): void {
    this.nowMs += ms;
  }

  /** Whether `amount` was spent; less than nothing is given back. */
  change(amount: number): boolean {
    if (amount < 0) this.#bucket.giveBack(this.nowMs, -amount);
    else if (this.#bucket.waitMs(this.nowMs, amount) !== 0) return false;
    else this.#bucket.spend(this.nowMs, amount);
    return true;
  }
}

/** The same bucket as anyone would write it down: a level, and a refill every millisecond. */
class CountedBucket {
  readonly #bucket: TokenBucketQuota;
  readonly #full: number;
  #level: number;

  constructor(bucket: TokenBucketQuota) {
    this.#bucket = bucket;
    this.#full = bucket.burst * bucket.windowMs;
    this.#level = this.#full;
  }

  get remaining(): number {
    return Math.floor(this.#level / this.#bucket.windowMs);
  }

  pass(ms: number): void {
    for (let i = 0; i < ms; i += 1) {
      this.#level = Math.min(this.#full, this.#level + this.#bucket.perWindow);
    }
  }

  change(amount: number): boolean {
    if (this.remaining < amount) return false;
    this.#level = Math.min(this.#full, this.#level - amount * this.#bucket.windowMs);
    return true;
  }
}

/** Whether `added`, with all of `before`, keeps every window that ends with it within its bound. */
function everyWindowHasRoom(
  bucket: TokenBucketQuota,
  before: readonly Spent[],
  added: Spent,
): boolean {
  let sum = added.amount;
  if (sum > bucket.burst) return false;
  for (const { atMs, amount } of [...before].reverse()) {
    sum += amount;
    const windowMs = added.atMs - atMs;
    // Both sides times the rule's window, so that they are whole numbers.
    const most = bucket.perWindow * windowMs + bucket.burst * bucket.windowMs;
    if (sum * bucket.windowMs > most) return false;
  }
  return true;
}

function anyBucket(next: (n: number) => number): TokenBucketQuota {
  const windowMs = [1, 10, 997, 1_000, 60_000][next(5)] ?? 1;
  return { algorithm: "token_bucket", perWindow: 1 + next(200), windowMs, burst: 1 + next(60) };
}

/** Mostly about as long as a few units take, sometimes none, sometimes long enough to fill up. */
function anyPause(
  next: (n: number) => number,
  { perWindow, windowMs, burst }: TokenBucketQuota,
): number {
  const unitMs = Math.ceil(windowMs / perWindow);
  return next([1, 2, unitMs, unitMs * 3, unitMs * burst + 1][next(5)] ?? 1);
}
