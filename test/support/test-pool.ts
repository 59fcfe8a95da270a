import type { TestContext } from "node:test";
import { Worker } from "node:worker_threads";
import type { Clock } from "../../lib/clock.js";
import { systemClock } from "../../lib/clock.js";
import { createLog } from "../../lib/log.js";
import type { SequenceBatch } from "../../services/inference/batching/batch.js";
import type { WorkerSetup } from "../../services/inference/workers/worker-messages.js";
import {
  WorkerPool,
  type WorkerPoolOptions,
} from "../../services/inference/workers/worker-pool.js";
import { rowOf } from "./inference.js";

/** First ids of sequences that make a test worker misbehave. What hangs does so until the test is over. */
export const ids = { dies: 13, hangs: 14, fails: 15, waits: 16 } as const;

/**
 * A thread that answers each sequence with [its first id, the thread's number, whether the batch was wide]. A batch
 * with an id that waits runs until `open` is called.
 */
export const program = `
  const { parentPort, threadId, workerData: { slots, gate } } = require("node:worker_threads");
  const answer = (order) => {
    const { slot: index, ticket } = order;
    const slot = slots[index];
    if (Atomics.compareExchange(slot.ticket, 0, ticket, 0) !== ticket) return;
    if (order.kind === "tensors") {
      return { kind: "tensors", slot: index, outputs: order.inputs, computeMs: 2 };
    }
    const { shape: { sequences, longest }, isWide } = order;
    for (let row = 0; row < sequences; row += 1) {
      const id = slot.ids[row * longest];
      if (id === 13) process.exit(1);
      if (id === 14) Atomics.wait(gate, 1, 0);
      if (id === 15) return { kind: "failed", slot: index, message: "no" };
      if (id === 16) Atomics.wait(gate, 0, 0);
      slot.results.set([id, threadId, isWide ? 1 : 0], row * 3);
      slot.resultEnds[row] = (row + 1) * 3;
    }
    return { kind: "done", slot: index, computeMs: 1 };
  };
  parentPort.on("message", (order) => {
    if (order.kind === "end") process.exit();
    const message = answer(order);
    if (message !== undefined) parentPort.postMessage(message);
  });
  parentPort.postMessage({ kind: "ready", inputs: [], outputs: [], device: "cpu" });
`;

/** Never says that it is ready. */
export const loadingProgram = `
  Atomics.wait(require("node:worker_threads").workerData.gate, 1, 0);
`;

export interface TestPool {
  readonly pool: WorkerPool;
  readonly threads: readonly Worker[];
  readonly setups: readonly WorkerSetup[];
  /** Workers that were replaced. */
  readonly restarts: () => number;
  /** Resolves when every thread has begun with its first batch. */
  readonly begun: () => Promise<void>;
  /** Lets batches go that wait. */
  readonly open: () => void;
  /** Lets threads go that hang. */
  readonly release: () => void;
}

/** A pool of threads that run `program`, or what `codeOf` gives for the so-manieth thread. */
export async function openPool(
  t: Pick<TestContext, "after">,
  options: Partial<WorkerPoolOptions> = {},
  {
    clock = systemClock,
    codeOf = () => program,
    threads = [],
    gate = new Int32Array(new SharedArrayBuffer(8)),
  }: {
    readonly clock?: Clock;
    readonly codeOf?: (index: number) => string;
    readonly threads?: Worker[];
    readonly gate?: Int32Array;
  } = {},
): Promise<TestPool> {
  const setups: WorkerSetup[] = [];
  const openGate = (index: number): void => {
    Atomics.store(gate, index, 1);
    Atomics.notify(gate, index);
  };
  t.after(() => openGate(1));
  let restarts = 0;
  const pool = await WorkerPool.open(
    {
      workers: 1,
      size: { batchSequencesMax: 4, batchTokensMax: 64, resultsMax: 12 },
      setup: {
        spec: { task: "tensors", path: "", files: {} },
        file: "",
        threads: 1,
        providers: ["cpu"],
        deviceId: 0,
        niceness: 0,
      },
      wideThreads: 4,
      batchMsMax: 500,
      loadMsMax: 20_000,
      ...options,
    },
    {
      clock,
      log: createLog("silent"),
      onRestart: () => {
        restarts += 1;
      },
      createWorker: (setup) => {
        const workerData = { ...setup, gate };
        const worker = new Worker(codeOf(threads.length), { eval: true, workerData });
        threads.push(worker);
        setups.push(setup);
        return worker;
      },
    },
  );
  t.after(() => pool.close());
  const [open, release] = [() => openGate(0), () => openGate(1)];
  const begun = async (): Promise<void> => {
    while (setups.some(({ slots: [slot] }) => Atomics.load(slot?.ticket ?? gate, 0) !== 0)) {
      await new Promise(setImmediate);
    }
  };
  return { pool, threads, setups, restarts: () => restarts, begun, open, release };
}

export function batchOf(...firstIds: readonly number[]): SequenceBatch {
  return { kind: "sequences", rows: firstIds.map((id) => rowOf([id, 1])) };
}

/** How a batch ended. */
export type Ended =
  | { readonly rows: readonly (readonly number[])[] }
  | { readonly lost: { readonly hadBegun: boolean } }
  | { readonly failed: string };

/** Starts a batch; undefined when no worker takes it. */
export function startBatch(
  pool: WorkerPool,
  batch: SequenceBatch,
  isLast = false,
): { readonly ended: Promise<Ended>; readonly revoke: () => boolean } | undefined {
  let end = (_: Ended): void => {};
  const ended = new Promise<Ended>((resolve) => {
    end = resolve;
  });
  const started = pool.start(
    batch,
    {
      rows: (read) => end({ rows: batch.rows.map((_, row) => [...read(row)]) }),
      tensors: () => end({ failed: "tensors instead of rows" }),
      lost: (hadBegun) => end({ lost: { hadBegun } }),
      failed: ({ message }) => end({ failed: message }),
    },
    isLast,
  );
  return started === undefined ? undefined : { ended, revoke: started.revoke };
}

/** Runs a batch that some worker has to take. */
export async function runBatch(
  pool: WorkerPool,
  batch: SequenceBatch,
  isLast = false,
): Promise<Ended> {
  const started = startBatch(pool, batch, isLast);
  if (started === undefined) throw new Error("no worker takes the batch");
  return await started.ended;
}

/** Resolves when it is true, which may be at once; looks whenever a worker says something. */
export function until(pool: WorkerPool, isTrue: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    pool.onFree = () => {
      if (isTrue()) resolve();
    };
    pool.onFree();
  });
}
