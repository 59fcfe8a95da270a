import { Worker } from "node:worker_threads";
import type { Clock } from "../../lib/clock.js";
import type { Release } from "../../lib/defer.js";
import type { Log } from "../../lib/log.js";
import { type BatchSlot, createSlot, type SlotSize, writeBatch } from "./batch-slot.js";
import type { InferenceMetrics } from "./metrics.js";
import { type Batch, type Model, WorkerLost } from "./model.js";
import type { WorkerMessage, WorkerSetup } from "./onnx-worker.js";

/** A worker that dies at once is not restarted in a tight loop. */
const restartMs = 500;

export interface WorkerPoolOptions {
  readonly workers: number;
  readonly size: SlotSize;
  readonly setup: Omit<WorkerSetup, "slot">;
  /** A worker that holds a batch for longer is replaced. */
  readonly batchMsMax: number;
}

export interface WorkerPoolDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: InferenceMetrics;
  readonly defer: (release: Release) => void;
  /** Tests run other code in the threads. */
  readonly createWorker?: (setup: WorkerSetup) => Worker;
}

interface Running {
  /** Numbers to read from the slot when the batch is done. */
  readonly length: number;
  resolve(vectors: Float32Array): void;
  reject(error: Error): void;
  stopTimer(): void;
}

/** One thread and the batch it runs, if any. */
interface Member {
  readonly worker: Worker;
  readonly slot: BatchSlot;
  isReady: boolean;
  running: Running | undefined;
}

/** Worker threads that run batches. A thread that dies or hangs is replaced, and its batch reported as lost. */
export class WorkerPool implements Model {
  onIdle = (): void => {};
  readonly #options: WorkerPoolOptions;
  readonly #deps: WorkerPoolDeps;
  readonly #members = new Set<Member>();
  #isClosed = false;

  private constructor(options: WorkerPoolOptions, deps: WorkerPoolDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Resolves when every worker has loaded the model; rejects when one cannot. */
  static async open(options: WorkerPoolOptions, deps: WorkerPoolDeps): Promise<WorkerPool> {
    const pool = new WorkerPool(options, deps);
    deps.defer(() => pool.#close());
    await Promise.all(Array.from({ length: options.workers }, () => pool.#start()));
    return pool;
  }

  get idleCount(): number {
    let count = 0;
    for (const member of this.#members) if (isIdle(member)) count += 1;
    return count;
  }

  /** Whether at least one worker lives. */
  get isReady(): boolean {
    return [...this.#members].some((member) => member.isReady);
  }

  run(batch: Batch): Promise<Float32Array> {
    const member = [...this.#members].find(isIdle);
    if (member === undefined) return Promise.reject(new WorkerLost("no worker is idle"));
    const { clock } = this.#deps;
    return new Promise((resolve, reject) => {
      const stopTimer = clock.at(clock.nowMs() + this.#options.batchMsMax, () => {
        this.#deps.log.error("a worker does not answer and is replaced");
        void member.worker.terminate();
      });
      const length = batch.sequences.length * this.#options.size.dimensions;
      member.running = { length, resolve, reject, stopTimer };
      member.worker.postMessage(writeBatch(member.slot, batch));
    });
  }

  #start(): Promise<void> {
    const slot = createSlot(this.#options.size);
    const setup: WorkerSetup = { ...this.#options.setup, slot };
    const worker = (this.#deps.createWorker ?? startOnnxWorker)(setup);
    const member: Member = { worker, slot, isReady: false, running: undefined };
    this.#members.add(member);
    return new Promise((resolve, reject) => {
      let failure = new Error("the worker ended while loading");
      worker.on("message", (message: WorkerMessage) => {
        if (message.kind === "ready") {
          member.isReady = true;
          resolve();
        } else {
          settle(member, message);
        }
        this.onIdle();
      });
      worker.on("error", (error) => {
        failure = error;
        this.#deps.log.error({ cause: error.stack }, "a worker failed");
      });
      worker.on("exit", () => {
        const wasReady = member.isReady;
        this.#lose(member);
        if (wasReady) this.#replace();
        else reject(failure);
      });
    });
  }

  #lose(member: Member): void {
    this.#members.delete(member);
    member.running?.stopTimer();
    member.running?.reject(new WorkerLost("the worker died"));
  }

  #replace(): void {
    if (this.#isClosed) return;
    this.#deps.metrics.workerRestarts.inc();
    this.#start().catch(() => {
      const { clock } = this.#deps;
      clock.at(clock.nowMs() + restartMs, () => this.#replace());
    });
  }

  async #close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#members].map((member) => member.worker.terminate()));
  }
}

function isIdle(member: Member): boolean {
  return member.isReady && member.running === undefined;
}

function settle(member: Member, message: Exclude<WorkerMessage, { kind: "ready" }>): void {
  const { running } = member;
  member.running = undefined;
  if (running === undefined) return;
  running.stopTimer();
  // Copied now: the next batch may write into the slot before the reader of this promise runs.
  if (message.kind === "done") running.resolve(member.slot.vectors.slice(0, running.length));
  else running.reject(new Error(message.message));
}

function startOnnxWorker(setup: WorkerSetup): Worker {
  return new Worker(new URL("./onnx-worker.js", import.meta.url), { workerData: setup });
}
