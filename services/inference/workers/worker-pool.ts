import { Worker } from "node:worker_threads";
import type { Clock } from "../../../lib/clock.js";
import type { Log } from "../../../lib/log.js";
import type { Batch, BatchListener, Engine, StartedBatch } from "../batching/batch.js";
import {
  type BatchSlot,
  createSlot,
  post,
  readRow,
  revoke,
  type SlotSize,
  writeBatch,
} from "./batch-slot.js";
import type { Job, Member } from "./pool-member.js";
import { WideTurns } from "./wide-turns.js";
import type { WorkerMessage, WorkerOrder, WorkerSetup } from "./worker-messages.js";

/** A worker that dies at once is not restarted in a tight loop. */
const restartMs = 500;
/** The batch that runs, and the one that is there when it is done. */
const slotsPerWorker = 2;
/** Workers that all run one batch for longer than that do not answer any more. */
const silentMsMax = 5_000;
/** How long closing waits for threads that were asked to end. */
const endMsMax = 10_000;
const ticketMax = 0x7fff_ffff;
/** What no batch has. */
const noTicket = 0;

export interface WorkerPoolOptions {
  readonly workers: number;
  readonly size: SlotSize;
  readonly setup: Omit<WorkerSetup, "slots" | "wideThreads">;
  readonly wideThreads: number;
  /** A worker that holds a batch for longer is replaced. */
  readonly batchMsMax: number;
  /** A worker that has not loaded its model by then is given up. */
  readonly loadMsMax: number;
}

export interface WorkerPoolDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Told of each worker that is replaced. */
  readonly onRestart?: () => void;
  /** Tests run other code in the threads. */
  readonly createWorker?: (setup: WorkerSetup) => Worker;
}

export type WorkerReady = Extract<WorkerMessage, { kind: "ready" }>;

/**
 * Worker threads that run batches. A thread that dies or hangs is replaced, and its batches reported as lost. Threads
 * are asked to end and never terminated: that while ONNX Runtime works would end the whole process.
 */
export class WorkerPool implements Engine {
  onFree = (): void => {};
  /** What the workers said of the model; they all run the same file. */
  ready: WorkerReady | undefined;
  readonly #options: WorkerPoolOptions;
  readonly #deps: WorkerPoolDeps;
  readonly #members = new Set<Member>();
  readonly #wideTurns = new WideTurns();
  /** Threads that hung and shall end. With them, there are at most twice as many threads as workers. */
  readonly #ending = new Set<Member>();
  /** Workers that were not replaced yet, because too many threads are still to end. */
  #owedCount = 0;
  #isClosed = false;
  #lastTicket = 0;

  private constructor(options: WorkerPoolOptions, deps: WorkerPoolDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  /** Resolves when every worker has loaded the model; rejects when one cannot, and leaves no thread behind. */
  static async open(options: WorkerPoolOptions, deps: WorkerPoolDeps): Promise<WorkerPool> {
    const pool = new WorkerPool(options, deps);
    try {
      await Promise.all(Array.from({ length: options.workers }, () => pool.#start()));
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  get workerCount(): number {
    return this.#options.workers;
  }

  get idleCount(): number {
    return this.#count((member) => member.jobs.length === 0);
  }

  get prefetchCount(): number {
    return this.#count(({ jobs }) => jobs.length > 0 && jobs.length < slotsPerWorker);
  }

  /** Whether at least one worker lives and has not been silent for long. */
  get isHealthy(): boolean {
    const since = this.#deps.clock.nowMs() - silentMsMax;
    return this.#count(({ jobs: [running] }) => (running?.startedAtMs ?? since + 1) > since) > 0;
  }

  start(batch: Batch, listener: BatchListener, isLast = false): StartedBatch | undefined {
    const member = this.#freest();
    if (member === undefined) return undefined;
    const isWide = this.#wideTurns.next(isLast && this.idleCount === this.#members.size);
    const slot = member.slots.findIndex((_, index) => member.jobs.every((j) => j.slot !== index));
    const memory = member.slots[slot] as BatchSlot;
    const ticket = this.#nextTicket();
    const job: Job = { slot, listener, startedAtMs: undefined, stopTimer: () => {} };
    member.jobs.push(job);
    if (member.jobs.length === 1) this.#watch(member);
    const order: WorkerOrder =
      batch.kind === "tensors"
        ? { ...batch, slot, ticket }
        : { kind: "sequences", slot, ticket, shape: writeBatch(memory, batch.rows), isWide };
    post(memory, ticket);
    member.worker.postMessage(order);
    return {
      worker: member.number,
      startedAtMs: () => job.startedAtMs,
      revoke: () => {
        // The first one is about to run, and its timer does: only what stands behind another is worth taking back.
        if (member.jobs.indexOf(job) < 1 || !revoke(memory, ticket)) return false;
        member.jobs.splice(member.jobs.indexOf(job), 1);
        return true;
      },
    };
  }

  /** Ends every thread when it has run what it was given; it does not wait for long for one that hangs. */
  async close(): Promise<void> {
    const { clock } = this.#deps;
    this.#isClosed = true;
    for (const { worker } of this.#members) worker.postMessage(endOrder);
    const members = [...this.#members, ...this.#ending];
    let stopTimer = (): void => {};
    const late = new Promise<void>((resolve) => {
      stopTimer = clock.at(clock.nowMs() + endMsMax, resolve);
    });
    await Promise.race([Promise.all(members.map(({ ended }) => ended)), late]);
    stopTimer();
  }

  #count(isCounted: (member: Member) => boolean): number {
    let count = 0;
    for (const member of this.#members) {
      if (member.isReady && isCounted(member)) count += 1;
    }
    return count;
  }

  /** An idle worker, the one with the wide session first, else one with a free slot. */
  #freest(): Member | undefined {
    if (this.#isClosed) return undefined;
    let freest: Member | undefined;
    for (const member of this.#members) {
      if (!member.isReady || member.jobs.length >= slotsPerWorker) continue;
      const isFreer = freest === undefined || member.jobs.length < freest.jobs.length;
      if (isFreer || (member.hasWide && member.jobs.length === freest?.jobs.length))
        freest = member;
    }
    return freest;
  }

  #freeNumber(): number {
    const taken = new Set([...this.#members].map(({ number }) => number));
    let number = 0;
    while (taken.has(number)) number += 1;
    return number;
  }

  #nextTicket(): number {
    this.#lastTicket = (this.#lastTicket % ticketMax) + 1;
    return this.#lastTicket;
  }

  /** Limits the time of the batch that runs now. */
  #watch(member: Member): void {
    const job = member.jobs[0];
    if (job === undefined) return;
    const { clock, log } = this.#deps;
    job.startedAtMs = clock.nowMs();
    job.stopTimer = clock.at(clock.nowMs() + this.#options.batchMsMax, () => {
      log.error("a worker does not answer and is replaced");
      this.#giveUp(member);
      this.#replace();
    });
  }

  #start(): Promise<void> {
    const { clock, log } = this.#deps;
    const slots = Array.from({ length: slotsPerWorker }, () => createSlot(this.#options.size));
    const { setup: common, wideThreads } = this.#options;
    // One worker has the wide session; only a batch that nothing else runs beside is given to it.
    const hasWide = [...this.#members].some((other) => other.hasWide);
    const setup: WorkerSetup = { ...common, slots, wideThreads: hasWide ? 0 : wideThreads };
    const worker = (this.#deps.createWorker ?? startOnnxWorker)(setup);
    const ended = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const number = this.#freeNumber();
    const member: Member = {
      ...{ number, worker, slots, hasWide: !hasWide },
      ...{ isReady: false, jobs: [], ended },
    };
    this.#members.add(member);
    return new Promise((resolve, reject) => {
      let failure = new Error("the worker ended while loading");
      const stopLoading = clock.at(clock.nowMs() + this.#options.loadMsMax, () => {
        this.#giveUp(member);
        reject(new Error(`not loaded within ${this.#options.loadMsMax} ms`));
      });
      worker.on("message", (message: WorkerMessage) => {
        if (message.kind === "ready") {
          stopLoading();
          this.ready = message;
          member.isReady = true;
          resolve();
        } else {
          this.#settle(member, message);
        }
        this.onFree();
      });
      worker.on("error", (error) => {
        failure = error;
        log.error({ cause: error.stack }, "a worker failed");
      });
      worker.on("exit", () => {
        stopLoading();
        if (this.#ending.delete(member)) return this.#payOwed();
        this.#lose(member);
        if (member.isReady) this.#replace();
        else reject(failure);
      });
    });
  }

  #settle(member: Member, message: Exclude<WorkerMessage, { kind: "ready" }>): void {
    const job = member.jobs.shift();
    if (job === undefined) return;
    job.stopTimer();
    this.#watch(member);
    const memory = member.slots[message.slot] as BatchSlot;
    if (message.kind === "done") {
      job.listener.rows((row) => readRow(memory, row), message.computeMs);
    } else if (message.kind === "tensors") {
      job.listener.tensors(message.outputs, message.computeMs);
    } else {
      job.listener.failed(new Error(message.message));
    }
  }

  #lose(member: Member): void {
    this.#members.delete(member);
    for (const job of member.jobs.splice(0)) {
      job.stopTimer();
      job.listener.lost(job.startedAtMs !== undefined);
    }
  }

  /** Expects nothing more of a thread, which ends if it ever comes back. */
  #giveUp(member: Member): void {
    this.#ending.add(member);
    for (const slot of member.slots) post(slot, noTicket);
    member.worker.postMessage(endOrder);
    this.#lose(member);
  }

  #replace(): void {
    if (this.#isClosed) return;
    if (this.#ending.size > this.#options.workers) {
      this.#owedCount += 1;
      return;
    }
    this.#deps.onRestart?.();
    this.#start().catch(() => {
      const { clock } = this.#deps;
      clock.at(clock.nowMs() + restartMs, () => this.#replace());
    });
  }

  #payOwed(): void {
    if (this.#owedCount === 0) return;
    this.#owedCount -= 1;
    this.#replace();
  }
}

const endOrder: WorkerOrder = { kind: "end" };

function startOnnxWorker(setup: WorkerSetup): Worker {
  return new Worker(new URL("./onnx-worker.js", import.meta.url), { workerData: setup });
}
