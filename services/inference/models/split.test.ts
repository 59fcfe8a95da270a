import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { Clock } from "../../../lib/clock.js";
import type { ModelSpec } from "../../../lib/model-spec.js";
import type { Batch, BatchListener, StartedBatch } from "../batching/batch.js";
import type { Split } from "./limits.js";
import { type Candidate, openBestSplit } from "./split.js";

const classifier: ModelSpec = {
  task: "classification",
  labels: ["a", "b"],
  isMultiLabel: false,
  path: "",
  files: {},
  tokensMax: 256,
  vocabularySize: 10,
  prompts: {},
  defaultPrompt: undefined,
};
const limits = { batchSequencesMax: 8, batchTokensMax: 1_024 };

/** Time that passes only while batches run. */
class WorkTime implements Clock {
  ms = 0;
  nowMs = (): number => this.ms;
  dateMs = (): number => this.ms;
  at = (): (() => void) => () => {};
}

/** Workers that take `batchMs` for each batch, or fail. */
class FakePool implements Candidate {
  readonly workerCount: number;
  readonly prefetchCount = 0;
  readonly batches: Batch[] = [];
  idleCount: number;
  busiest = 0;
  isClosed = false;
  onFree = (): void => {};
  readonly #time: WorkTime;
  readonly #batchMs: number;
  readonly #fault: "lost" | "failed" | undefined;

  constructor(workers: number, time: WorkTime, batchMs: number, fault?: "lost" | "failed") {
    this.workerCount = workers;
    this.idleCount = workers;
    this.#time = time;
    this.#batchMs = batchMs;
    this.#fault = fault;
  }

  start(batch: Batch, listener: BatchListener): StartedBatch {
    this.batches.push(batch);
    this.idleCount -= 1;
    this.busiest = Math.max(this.busiest, this.workerCount - this.idleCount);
    setImmediate(() => {
      this.#time.ms += this.#batchMs / this.workerCount;
      if (this.#fault === "failed") listener.failed(new Error("no such output"));
      else if (this.#fault === "lost") listener.lost(true);
      else listener.rows(() => new Float32Array(2), 1);
      this.idleCount += 1;
    });
    return { worker: 0, startedAtMs: () => undefined, revoke: () => false };
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }
}

/** Three ways to use four cores, and how long one batch takes by each. */
async function choose(
  batchMs: readonly [number, number, number],
  options: {
    readonly spec?: ModelSpec;
    readonly faults?: readonly (("lost" | "failed") | undefined)[];
    readonly failingAt?: number;
    readonly limits?: typeof limits;
  } = {},
) {
  const time = new WorkTime();
  const pools: FakePool[] = [];
  const splits: [Split, ...Split[]] = [
    { workers: 4, threads: 1 },
    { workers: 2, threads: 2 },
    { workers: 1, threads: 4 },
  ];
  const open = async ({ workers }: Split): Promise<FakePool> => {
    const index = pools.length;
    if (options.failingAt === index) throw new Error("no memory");
    const pool = new FakePool(workers, time, batchMs[index] as number, options.faults?.[index]);
    pools.push(pool);
    return pool;
  };
  const { spec = classifier } = options;
  const measured = { spec, limits: options.limits ?? limits, clock: time };
  const opening = openBestSplit(splits, open, measured);
  return { opening, pools, splits };
}

for (const [name, batchMs, best] of [
  ["one thread for each worker is best when threads do not help", [40, 40, 40], 0],
  ["two threads are best when a batch then takes less than half", [40, 15, 40], 1],
  ["all threads for one worker are best when they share the work well", [40, 15, 6], 2],
  ["what is only a little better may be luck", [40, 18.5, 9.2], 0],
  ["what is only a little better than the best so far may be luck too", [40, 15, 7], 1],
] as const) {
  test(name, async () => {
    const { opening, pools, splits } = await choose(batchMs);
    const { pool, split } = await opening;
    equal(split, splits[best]);
    equal(pool, pools[best]);
    deepEqual(
      pools.map(({ isClosed }) => isClosed),
      pools.map((other) => other !== pool),
    );
  });
}

test("every worker is busy while the split is measured, for long enough", async () => {
  const { opening, pools } = await choose([40, 40, 40]);
  await opening;
  for (const { busiest, workerCount, batches } of pools) {
    equal(busiest, workerCount);
    ok(batches.length >= 10 * workerCount);
  }
});

test("one way needs no measurement", async () => {
  const pool = new FakePool(3, new WorkTime(), 1);
  const split = { workers: 3, threads: 2 };
  const measured = { spec: classifier, limits, clock: new WorkTime() };
  deepEqual(await openBestSplit([split], async () => pool, measured), { pool, split });
  equal(pool.batches.length, 0);
});

test("models of tensors take the first way, because nobody knows what they read", async () => {
  const { opening, pools, splits } = await choose([40, 1, 1], {
    spec: { task: "tensors", path: "", files: {} },
  });
  equal((await opening).split, splits[0]);
  deepEqual([pools.length, pools[0]?.batches.length], [1, 0]);
});

for (const [what, options, rows, tokens] of [
  ["a full batch of usual texts", {}, 8, 16],
  ["no more than fits", { limits: { batchSequencesMax: 256, batchTokensMax: 100 } }, 6, 16],
  ["no longer than the model reads", { spec: { ...classifier, tokensMax: 5 } }, 8, 5],
] as const) {
  test(`the split is measured with ${what}`, async () => {
    const { opening, pools } = await choose([40, 40, 40], options);
    await opening;
    const batch = pools[0]?.batches[0];
    ok(batch?.kind === "sequences");
    equal(batch.rows.length, rows);
    for (const { ids, output } of batch.rows) deepEqual([ids.length, output], [tokens, "logits"]);
  });
}

for (const [what, options, message] of [
  ["the first way fails", { faults: ["failed"] }, /no such output/],
  ["a worker of the first way dies", { faults: ["lost"] }, /died/],
  ["a later way fails", { faults: [undefined, "failed"] }, /no such output/],
  ["a later way does not open", { failingAt: 2 }, /no memory/],
] as const) {
  test(`when ${what}, no worker is left behind`, async () => {
    const { opening, pools } = await choose([40, 40, 40], options);
    await rejects(opening, message);
    ok(pools.every(({ isClosed }) => isClosed));
  });
}
