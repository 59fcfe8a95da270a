// The scheduler beside the list of what should wait in it, under random operations.

import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { seeded } from "../../../test/support/random.js";
import { Scheduler, type SchedulerLimits, type Waiting } from "./scheduler.js";

type Random = ReturnType<typeof seeded>;

interface Item extends Waiting {
  readonly id: number;
  /** Batches that may run before it, from when it is old enough; only bulk has it. */
  readonly turnsMax: number;
  turns: number;
  /** Whether it was put back, which lets it change places. */
  isBack: boolean;
}

const tokensMin = 10;
const callers = ["a", "b", "c"];
const agedBulkTurns = 4;

class CheckedScheduler {
  readonly #limits: SchedulerLimits;
  readonly #scheduler: Scheduler<Item>;
  #waiting: Item[] = [];
  #running: Item[][] = [];
  #nowMs = 0;
  #nextId = 0;

  constructor(limits: SchedulerLimits) {
    this.#limits = limits;
    this.#scheduler = new Scheduler(limits);
  }

  step(random: Random): void {
    this.#nowMs += random.int(20);
    const acts = [
      () => this.#offer(random),
      () => this.#offer(random),
      () => this.#take(1 + random.int(3)),
      () => this.#take(1),
      () => this.#finish(random, random.int(4) === 0),
      () => this.#finish(random, false),
      () => this.#remove(random),
      () => this.#expire(),
    ];
    random.pick(acts)();
    equal(this.#scheduler.length, this.#waiting.length);
    ok(this.#scheduler.callerCount <= 2 * callers.length);
  }

  /** Whatever waits comes out in the end. */
  drain(): void {
    while (this.#waiting.length > 0) this.#take(1);
    equal(this.#scheduler.length, 0);
    deepEqual(this.#scheduler.take(this.#nowMs, { workers: 1, running: 0 }), []);
    equal(this.#scheduler.callerCount, 0);
    equal(this.#scheduler.expiresAtMs(), undefined);
  }

  #offer(random: Random): void {
    const [isBulk, caller] = [random.int(2) === 0, random.pick(callers)];
    const items = Array.from({ length: random.int(6) }, () => {
      const isAlone = random.int(10) === 0;
      const tokenCount = isAlone ? tokensMin : tokensMin + random.int(random.pick([1, 40, 91]));
      return this.#item({ isBulk, caller, isAlone, tokenCount });
    });
    const hasRoom = this.#waiting.length < this.#limits.queueMax;
    equal(this.#scheduler.offer(items), hasRoom);
    if (hasRoom) this.#waiting.push(...items);
  }

  #item(said: Pick<Item, "isBulk" | "caller" | "isAlone" | "tokenCount">): Item {
    const arrivedAtMs = this.#nowMs;
    // In its own line, every other caller may run as many tokens as stand before it, and one sequence more. Of those
    // that run at once with others, any may go first, and what was put back may go before it.
    const tokensBefore = [...this.#waiting, ...this.#running.flat()]
      .filter(({ isBulk, caller }) => isBulk === said.isBulk && caller === said.caller)
      .reduce((sum, { tokenCount }) => sum + tokenCount, 0);
    const before = this.#waiting.length + this.#running.flat().length;
    const turnsMax =
      agedBulkTurns * (callers.length * (tokensBefore / tokensMin + 12) + before) + agedBulkTurns;
    this.#nextId += 1;
    return { ...said, id: this.#nextId, arrivedAtMs, turnsMax, turns: 0, isBack: false };
  }

  #take(workers: number): void {
    const running = this.#running.flat().length;
    const share = Math.ceil((this.#waiting.length + running) / workers);
    const batch = this.#scheduler.take(this.#nowMs, { workers, running });
    equal(batch.length === 0, this.#waiting.length === 0);
    if (batch.length === 0) return;
    for (const item of batch) {
      equal(this.#waiting.filter((other) => other === item).length, 1);
      this.#checkOrder(item);
      this.#waiting = this.#waiting.filter((other) => other !== item);
    }
    this.#checkLimits(batch, share);
    this.#checkTurns();
    this.#running.push(batch);
  }

  /** What one caller sent in one length leaves as it came. */
  #checkOrder(item: Item): void {
    const overtaken = this.#waiting.find(
      (other) =>
        other.id < item.id &&
        !other.isBack &&
        !item.isBack &&
        (["isBulk", "caller", "isAlone", "tokenCount"] as const).every(
          (key) => other[key] === item[key],
        ),
    );
    equal(overtaken, undefined);
  }

  #checkLimits(batch: readonly Item[], share: number): void {
    const { batchSequencesMax, batchTokensMax, batchOverheadTokens } = this.#limits;
    ok(batch.length <= Math.min(share, batchSequencesMax));
    if (batch.some(({ isAlone }) => isAlone)) equal(batch.length, 1);
    const longest = Math.max(...batch.map(({ tokenCount }) => tokenCount));
    const tokens = batch.reduce((sum, { tokenCount }) => sum + tokenCount, 0);
    ok(longest * batch.length <= batchTokensMax);
    ok(longest * batch.length - tokens <= batchOverheadTokens * (batch.length - 1));
  }

  /** Bulk that is old enough waits for a bounded number of batches. */
  #checkTurns(): void {
    for (const item of this.#waiting) {
      if (this.#nowMs - item.arrivedAtMs < this.#limits.bulkWaitMsMax || !item.isBulk) continue;
      item.turns += 1;
      ok(item.turns <= item.turnsMax, `${item.turns} turns, at most ${item.turnsMax}`);
    }
  }

  /** Ends a batch that runs, or puts it back. */
  #finish(random: Random, isLost: boolean): void {
    const [batch = []] = this.#running.splice(random.int(Math.max(1, this.#running.length)), 1);
    if (!isLost) return;
    for (const item of batch) item.isBack = true;
    this.#scheduler.putBack(batch);
    this.#waiting.push(...batch);
  }

  #remove(random: Random): void {
    const unwanted = new Set(this.#waiting.filter(() => random.int(5) === 0));
    this.#scheduler.remove((item) => unwanted.has(item));
    this.#waiting = this.#waiting.filter((item) => !unwanted.has(item));
  }

  #expire(): void {
    const { queueMsMax } = this.#limits;
    const oldest = Math.min(...this.#waiting.map(({ arrivedAtMs }) => arrivedAtMs));
    const isEmpty = this.#waiting.length === 0;
    equal(this.#scheduler.expiresAtMs(), isEmpty ? undefined : oldest + queueMsMax);
    const isLate = ({ arrivedAtMs }: Item): boolean => this.#nowMs - arrivedAtMs >= queueMsMax;
    const expired = this.#scheduler.expire(this.#nowMs);
    deepEqual(new Set(expired), new Set(this.#waiting.filter(isLate)));
    this.#waiting = this.#waiting.filter((item) => !isLate(item));
  }
}

test("whatever comes, nothing is lost, doubled, too large or overtaken for ever", (t) => {
  const random = seeded(t);
  for (let round = 0; round < 150; round += 1) {
    const checked = new CheckedScheduler({
      batchSequencesMax: 1 + random.int(8),
      batchTokensMax: 100 + random.int(300),
      queueMax: 1 + random.int(40),
      queueMsMax: 200 + random.int(2_000),
      bulkWaitMsMax: random.pick([0, 30, 300]),
      batchOverheadTokens: random.pick([0, 8, 100]),
    });
    for (let step = 0; step < 200; step += 1) checked.step(random);
    checked.drain();
  }
});

test("callers that always have work waiting get equal shares", (t) => {
  const random = seeded(t);
  const lengths: Readonly<Record<string, number>> = { a: 90, b: 10, c: 30, d: 12 };
  const tokensOf = new Map<string, number>();
  const scheduler = new Scheduler<Waiting>({
    batchSequencesMax: 4,
    batchTokensMax: 100,
    queueMax: 10_000,
    queueMsMax: 1_000,
    bulkWaitMsMax: 50,
    batchOverheadTokens: 8,
  });
  const add = (caller: string): void => {
    const tokenCount = lengths[caller] as number;
    const item = { caller, tokenCount, isBulk: false, isAlone: false, arrivedAtMs: 0 };
    ok(scheduler.offer([item]));
  };
  for (const caller of Object.keys(lengths)) for (let i = 0; i < 40; i += 1) add(caller);
  for (let turn = 0; turn < 2_000; turn += 1) {
    for (const { caller, tokenCount } of scheduler.take(0, { workers: 1, running: 0 })) {
      tokensOf.set(caller, (tokensOf.get(caller) ?? 0) + tokenCount);
      add(caller);
      // Cancelled work changes nobody's share.
      add(random.pick(Object.keys(lengths)));
      scheduler.remove(() => random.int(300) === 0);
    }
  }
  const shares = [...tokensOf.values()];
  ok(Math.max(...shares) < 1.1 * Math.min(...shares), `${shares}`);
});
