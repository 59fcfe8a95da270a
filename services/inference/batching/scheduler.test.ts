import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { type Machine, Scheduler, type SchedulerLimits, type Waiting } from "./scheduler.js";

const limits: SchedulerLimits = {
  batchSequencesMax: 4,
  batchTokensMax: 100,
  queueMax: 1_000,
  queueMsMax: 500,
  bulkWaitMsMax: 50,
  batchOverheadTokens: 8,
};

interface Item extends Waiting {
  readonly name: string;
}

/** "10" is a sequence of ten tokens, "10b" is bulk, "1!" runs alone, "10@ann" comes from ann. */
function itemsOf(words: string, arrivedAtMs = 0): Item[] {
  return words
    .split(" ")
    .filter((name) => name !== "")
    .map((name) => {
      const [, count, flags = "", caller = ""] = /^(\d+)([b!]*)(?:@(\w+))?$/.exec(name) ?? [];
      const isBulk = flags.includes("b");
      const isAlone = flags.includes("!");
      return { name, tokenCount: Number(count), isBulk, isAlone, caller, arrivedAtMs };
    });
}

function schedulerOf(words: string, over: Partial<SchedulerLimits> = {}): Scheduler<Item> {
  const scheduler = new Scheduler<Item>({ ...limits, ...over });
  ok(scheduler.offer(itemsOf(words)));
  return scheduler;
}

function namesOf(items: readonly Item[]): string {
  return items.map(({ name }) => name).join(" ");
}

/** One worker, which has nothing to do. */
const one: Machine = { workers: 1, running: 0 };

/** All batches until nothing waits, taken one after another before any of them ends. */
function drain(scheduler: Scheduler<Item>, machine = one, nowMs = 0): string[] {
  const batches: string[] = [];
  let { running } = machine;
  while (scheduler.length > 0) {
    const batch = scheduler.take(nowMs, { ...machine, running });
    ok(batch.length > 0, "something waits and nothing runs");
    running += batch.length;
    batches.push(namesOf(batch));
  }
  return batches;
}

interface Options {
  readonly machine?: Machine;
  readonly over?: Partial<SchedulerLimits>;
}

const idle = (workers: number): Options => ({ machine: { workers, running: 0 } });
const alone = { over: { batchSequencesMax: 1 } };
const pairs = { over: { batchSequencesMax: 2 } };

/** What waits, and the batches that it becomes. */
const cases: readonly [name: string, waiting: string, batches: readonly string[], Options?][] = [
  ["nothing waits, nothing runs", "", []],
  ["a lone sequence runs at once", "10", ["10"], idle(2)],
  ["what waits is split over the workers", "10 10 10 10", ["10 10", "10 10"], idle(2)],
  ["an odd one goes with the first half", "10 10 10 10 10", ["10 10 10", "10 10"], idle(2)],
  ["more workers than sequences take one each", "10 10", ["10", "10"], idle(8)],
  [
    "a worker that comes back takes its share of what waits and what runs",
    "10 10 10",
    ["10 10 10"],
    { machine: { workers: 2, running: 3 } },
  ],
  [
    "it leaves to the others what they will miss",
    "10 10 10 10",
    ["10 10 10", "10"],
    { machine: { workers: 2, running: 1 } },
  ],
  [
    "a batch has its greatest number of sequences",
    "10 10 10 10 10 10 10 10 10",
    ["10 10 10 10", "10 10 10 10", "10"],
  ],
  ["a greatest number of 1 turns batching off", "10 10 10", ["10", "10", "10"], alone],
  [
    "the first in line goes, with those of nearest length",
    "20 5 6 21 24 19",
    ["20 21 19 24", "5 6"],
  ],
  [
    "of equal lengths, those go that are first in line",
    "20 21@a 19@b 21@c 19@d",
    ["20 21@a", "19@b 19@d", "21@c"],
    pairs,
  ],
  ["padding up to what a batch costs is cheaper than a batch", "10 18", ["10 18"]],
  ["padding above what a batch costs is dearer than a batch", "10 19", ["10", "19"]],
  ["a shorter one pads too", "19 11 10", ["19 11", "10"]],
  ["a longer one pads all others", "10 10 10 18", ["10 10 10 18"]],
  [
    "a longer one pads all others, up to what their batches cost",
    "10 10 10 19",
    ["10 10 10", "19"],
  ],
  ["a batch keeps within its padded tokens", "30 30 30 30", ["30 30 30", "30"]],
  ["the longest sequence fits", "100 1 100", ["100", "1", "100"]],
  ["one that does not fit leaves its place to one that does", "30 30 35 24", ["30 30 24", "35"]],
  ["what runs alone runs alone, in its turn", "1 1! 1! 1 1", ["1 1 1", "1!", "1!"]],
  ["what runs alone may be first", "1! 1 1", ["1!", "1 1"]],
  ["what runs alone has no length that could be too long", "101!", ["101!"]],
  ["interactive work goes before bulk", "10b 10b 10 10", ["10 10", "10b 10b"], pairs],
  [
    "bulk fills what interactive work leaves free",
    "10b 10b 10b 10b 10 11",
    ["10 11 10b 10b", "10b 10b"],
  ],
  [
    "bulk does not take the place of interactive work of a less fitting length",
    "10b 10b 10b 10 13 16",
    ["10 13 16 10b", "10b 10b"],
  ],
  ["bulk that would pad too much waits", "40b 40b 10", ["10", "40b 40b"]],
  [
    "a caller with many sequences does not delay one with one",
    `${"10@big ".repeat(100)}10@small`,
    [
      "10@big 10@small 10@big 10@big",
      ...new Array<string>(24).fill("10@big 10@big 10@big 10@big"),
      "10@big",
    ],
  ],
  [
    "not even when that one is of another length",
    "10@big 10@big 10@big 10@big 10@big 90@small",
    ["10@big 10@big 10@big 10@big", "90@small", "10@big"],
  ],
  [
    "callers take turns by tokens, not by sequences",
    "90@long 90@long 30@short 30@short 30@short 30@short",
    ["90@long", "30@short", "30@short", "30@short", "90@long", "30@short"],
    alone,
  ],
  [
    "bulk shares evenly too",
    "10b@big 10b@big 10b@big 10b@small",
    ["10b@big", "10b@small", "10b@big", "10b@big"],
    alone,
  ],
];

for (const [name, waiting, batches, { machine, over } = {}] of cases) {
  test(name, () => deepEqual(drain(schedulerOf(waiting, over), machine), batches));
}

test("bulk that waited too long gets one turn of four", () => {
  const scheduler = schedulerOf(`${"10b ".repeat(3)}${"90 ".repeat(9)}`);
  const turns: string[] = [];
  for (let turn = 0; turn < 8; turn += 1) turns.push(namesOf(scheduler.take(50, one)));
  deepEqual(turns, ["90", "90", "90", "10b 10b 10b", "90", "90", "90", "90"]);
});

test("bulk that has not waited long enough gets no turn while interactive work waits", () => {
  const scheduler = schedulerOf(`10b ${"90 ".repeat(9)}`);
  for (let turn = 0; turn < 9; turn += 1) equal(namesOf(scheduler.take(49, one)), "90");
  equal(namesOf(scheduler.take(49, one)), "10b");
});

test("bulk that waited too long is taken with bulk only", () => {
  const scheduler = schedulerOf(`10b ${"90 ".repeat(3)}10 10`);
  const turns = [0, 0, 0, 0].map(() => namesOf(scheduler.take(50, one)));
  deepEqual(turns, ["90", "90", "90", "10b"]);
});

test("bulk never starves, however much interactive work comes", () => {
  const scheduler = schedulerOf("10b ".repeat(40));
  const taken: string[] = [];
  for (let turn = 0; turn < 40; turn += 1) {
    ok(scheduler.offer(itemsOf("90", 100)));
    taken.push(...scheduler.take(100, one).map(({ name }) => name));
  }
  equal(taken.filter((name) => name === "10b").length, 40);
  equal(taken.filter((name) => name === "90").length, 30);
});

test("a call is admitted whole, and the next one refused when the queue is full", () => {
  const scheduler = schedulerOf("1 1 1 1 1", { queueMax: 6 });
  ok(scheduler.offer(itemsOf("1 1b 1 1 1")));
  equal(scheduler.length, 10);
  equal(scheduler.offer(itemsOf("1")), false);
  equal(scheduler.length, 10);
  scheduler.take(0, one);
  equal(scheduler.offer(itemsOf("1")), false);
  scheduler.take(0, one);
  ok(scheduler.offer(itemsOf("1")));
  equal(scheduler.length, 3);
});

test("a batch that did not run goes first again, in its order", () => {
  const scheduler = schedulerOf("20@a 21@b 19@c 50@d 50b");
  const batch = scheduler.take(0, one);
  equal(namesOf(batch), "20@a 21@b 19@c");
  scheduler.offer(itemsOf("20@new"));
  scheduler.putBack(batch);
  equal(scheduler.length, 6);
  deepEqual(drain(scheduler), ["20@a 20@new 21@b 19@c", "50@d 50b"]);
});

test("a batch of bulk goes back to the bulk", () => {
  const scheduler = schedulerOf("10b");
  const batch = scheduler.take(0, one);
  scheduler.offer(itemsOf("90"));
  scheduler.putBack(batch);
  deepEqual(drain(scheduler), ["90", "10b"]);
});

test("what is removed never runs", () => {
  const scheduler = schedulerOf("10 11 12 10b 11b");
  scheduler.remove(({ tokenCount }) => tokenCount === 11);
  equal(scheduler.length, 3);
  deepEqual(drain(scheduler), ["10 12 10b"]);
});

test("what did not run does not count for a caller's share", () => {
  const scheduler = schedulerOf(`${"10@a ".repeat(50)}20@a 10@b 10@b 10@b`, {
    batchSequencesMax: 1,
  });
  equal(namesOf(scheduler.take(0, one)), "10@a");
  scheduler.remove(({ caller, tokenCount }) => caller === "a" && tokenCount === 10);
  scheduler.offer(itemsOf("30@a"));
  deepEqual(drain(scheduler), ["10@b", "10@b", "20@a", "10@b", "30@a"]);
});

test("a caller that comes late has no claim on what ran before", () => {
  const scheduler = schedulerOf("10@old ".repeat(50), { batchSequencesMax: 1 });
  for (let turn = 0; turn < 20; turn += 1) scheduler.take(0, one);
  scheduler.offer(itemsOf("10@new ".repeat(50)));
  const next = drain(scheduler).slice(0, 20);
  equal(next.filter((name) => name === "10@new").length, 10);
});

test("what waited too long comes out, each once", () => {
  const scheduler = schedulerOf("10 20b");
  scheduler.offer(itemsOf("11 21b", 1));
  deepEqual(scheduler.expire(499), []);
  equal(namesOf(scheduler.expire(500)), "10 20b");
  deepEqual(scheduler.expire(500), []);
  equal(scheduler.length, 2);
  equal(namesOf(scheduler.expire(9_999)), "11 21b");
  equal(scheduler.length, 0);
});

test("the next expiry is that of the oldest that waits, in either line", () => {
  const scheduler = schedulerOf("");
  equal(scheduler.expiresAtMs(), undefined);
  scheduler.offer(itemsOf("10", 7));
  equal(scheduler.expiresAtMs(), 507);
  scheduler.offer(itemsOf("10b", 3));
  equal(scheduler.expiresAtMs(), 503);
  scheduler.expire(503);
  equal(scheduler.expiresAtMs(), 507);
  scheduler.take(0, one);
  equal(scheduler.expiresAtMs(), undefined);
});

test("callers that come once and go are forgotten, though somebody always waits", () => {
  const scheduler = schedulerOf("90@first 90@first", { batchSequencesMax: 1 });
  for (let caller = 0; caller < 10_000; caller += 1) {
    scheduler.offer(itemsOf(`10@caller${caller}`));
    equal(scheduler.take(0, one).length, 1);
    ok(scheduler.callerCount <= scheduler.length + 1_025, `${scheduler.callerCount} callers`);
  }
  scheduler.offer(itemsOf("80@first"));
  deepEqual(drain(scheduler).slice(1), ["90@first", "80@first"]);
  equal(scheduler.callerCount, 0);
});
