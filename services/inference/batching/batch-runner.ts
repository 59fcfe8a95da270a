import { Priority } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import type { Clock } from "../../../lib/clock.js";
import type { MeshError } from "../../../lib/errors.js";
import type { BatchMetrics } from "../metrics.js";
import type { NamedTensor, WorkOptions } from "../models/served-model.js";
import type { Statistics } from "../models/statistics.js";
import type { BatchListener, Engine, Row, StartedBatch, TensorBatch } from "./batch.js";
import { BatchSpans, exemplarOf, type ModelFacts } from "./batch-spans.js";
import { CallSpans } from "./call-spans.js";
import { modelClosed, modelFailed, queueExpired, queueFull, workerDied } from "./faults.js";
import { type Call, type CallTiming, type Collect, deliver, type Item, toBatch } from "./items.js";
import { Scheduler, type SchedulerLimits } from "./scheduler.js";

/** A batch whose worker died runs once more, then its calls fail. */
const attemptsMax = 2;

interface Started {
  readonly items: readonly Item[];
  readonly batch: StartedBatch;
  readonly spans: BatchSpans;
}

export interface BatchRunnerDeps {
  readonly engine: Engine;
  readonly model: ModelFacts;
  readonly clock: Clock;
  readonly metrics: BatchMetrics;
  readonly statistics: Statistics;
}

/** Feeds workers from the scheduler and hands results back to their calls. */
export class BatchRunner {
  readonly #limits: SchedulerLimits;
  readonly #scheduler: Scheduler<Item>;
  readonly #deps: BatchRunnerDeps;
  readonly #started = new Set<Started>();
  #isPumpPlanned = false;
  #isClosed = false;
  #stopExpiry: (() => void) | undefined;

  constructor(limits: SchedulerLimits, deps: BatchRunnerDeps) {
    this.#limits = limits;
    this.#scheduler = new Scheduler(limits);
    this.#deps = deps;
    deps.engine.onFree = () => this.#pump();
  }

  /** Sequences that wait for a worker. */
  get queueLength(): number {
    return this.#scheduler.length;
  }

  /**
   * Runs rows in any order and any number of batches; resolves when `collect` has had each of them, with where the
   * time went. Rejects with `overloaded` when the queue is full, `unavailable` when the queue's time passed or workers
   * died twice, `internal` when the model failed, and the signal's reason when aborted.
   */
  async run(rows: readonly Row[], options: WorkOptions, collect: Collect): Promise<CallTiming> {
    return (await this.#submit(rows, options, collect)).timing;
  }

  /** Runs one request of tensors by itself; rejects as `run` does. */
  async runTensors(batch: TensorBatch, options: WorkOptions): Promise<readonly NamedTensor[]> {
    return (await this.#submit([batch], options, () => {})).tensors;
  }

  /** Ends calls that are not answered yet, and all that come later, as `unavailable`. */
  close(): void {
    this.#isClosed = true;
    this.#stopExpiry?.();
    const waiting = this.#scheduler.expire(Number.POSITIVE_INFINITY);
    const running = [...this.#started].flatMap(({ items }) => items);
    for (const { call } of [...waiting, ...running]) call.settle(modelClosed());
  }

  #submit(
    works: readonly (Row | TensorBatch)[],
    { signal, caller, priority, trace }: WorkOptions,
    collect: Collect,
  ): Promise<{ readonly tensors: readonly NamedTensor[]; readonly timing: CallTiming }> {
    if (signal.aborted) return Promise.reject(signal.reason);
    if (this.#isClosed) return Promise.reject(modelClosed());
    const arrivedAtMs = this.#deps.clock.nowMs();
    return new Promise((resolve, reject) => {
      let tensors: readonly NamedTensor[] = [];
      const onAbort = (): void => call.settle(signal.reason);
      const call: Call = {
        arrivedAtMs,
        collect,
        answer: (outputs) => {
          tensors = outputs;
        },
        timing: { queueMs: 0, computeMs: 0 },
        spans: new CallSpans(trace, works.length),
        missing: works.length,
        isSettled: false,
        settle: (error) => {
          if (call.isSettled) return;
          call.isSettled = true;
          signal.removeEventListener("abort", onAbort);
          if (error !== undefined) this.#forget(call, error);
          call.spans.ended(error);
          this.#deps.statistics.ended(error === undefined, this.#deps.clock.nowMs() - arrivedAtMs);
          if (error === undefined) resolve({ tensors, timing: call.timing });
          else reject(error);
        },
      };
      const isBulk = priority === Priority.BULK;
      const items = works.map((work, index): Item => {
        const isAlone = !("ids" in work);
        const tokenCount = isAlone ? 1 : work.ids.length;
        return { call, index, work, tokenCount, isAlone, isBulk, caller, arrivedAtMs, attempts: 0 };
      });
      if (!this.#scheduler.offer(items)) {
        this.#deps.metrics.shed(items.length);
        const error = queueFull();
        call.spans.ended(error);
        throw error;
      }
      signal.addEventListener("abort", onAbort, { once: true });
      this.#planPump();
    });
  }

  /** Takes what is left of a call out of the queue, and out of batches that have not begun to run. */
  #forget(call: Call, error: MeshError): void {
    this.#scheduler.remove((item) => item.call === call);
    for (const started of this.#started) {
      if (!started.items.some((item) => item.call === call)) continue;
      if (!started.batch.revoke()) {
        started.spans.left(call.spans, error);
        continue;
      }
      this.#started.delete(started);
      this.#scheduler.putBack(started.items.filter((item) => !item.call.isSettled));
      this.#planPump();
    }
  }

  /** Waits for the rest of this turn of the event loop, so that what arrives together runs together. */
  #planPump(): void {
    if (this.#isPumpPlanned) return;
    this.#isPumpPlanned = true;
    setImmediate(() => {
      this.#isPumpPlanned = false;
      this.#pump();
    });
  }

  #pump(): void {
    const { clock, engine } = this.#deps;
    for (;;) {
      if (engine.idleCount === 0 && !this.#mayPrefetch()) break;
      const machine = { workers: engine.workerCount, running: this.#runningCount() };
      const items = this.#scheduler.take(clock.nowMs(), machine);
      if (items.length === 0 || !this.#start(items)) break;
    }
    this.#planExpiry();
  }

  #runningCount(): number {
    let count = 0;
    for (const { items } of this.#started) count += items.length;
    return count;
  }

  /** One batch waits at each worker, once so many wait that no worker will run dry for it. */
  #mayPrefetch(): boolean {
    const { engine } = this.#deps;
    const enough = this.#limits.batchSequencesMax * engine.workerCount;
    return engine.prefetchCount > 0 && this.#scheduler.length >= enough;
  }

  /** Whether a worker took them; otherwise they are where they were. */
  #start(items: readonly Item[]): boolean {
    const { clock, engine, metrics, statistics, model } = this.#deps;
    let started: Started | undefined;
    const end = (outcome: { readonly computeMs?: number; readonly error?: MeshError }): void => {
      if (started === undefined) return;
      this.#started.delete(started);
      started.spans.ended(clock.nowMs(), outcome);
    };
    const count = (computeMs: number): void => {
      for (const item of items) {
        const queueMs = Math.max(0, clock.nowMs() - item.arrivedAtMs - computeMs);
        metrics.queued(queueMs, item.call.spans.trace.exemplarId());
        statistics.queued(queueMs);
        const { timing } = item.call;
        timing.queueMs = Math.max(timing.queueMs, queueMs);
        timing.computeMs = Math.max(timing.computeMs, computeMs);
      }
      const tokenCounts = items.map((item) => item.tokenCount);
      metrics.batch(tokenCounts, computeMs, exemplarOf(items));
      statistics.ran(items.length, computeMs, clock.dateMs());
    };
    const listener: BatchListener = {
      rows: (read, computeMs) => {
        end({ computeMs });
        count(computeMs);
        for (const [position, item] of items.entries()) deliver(item, read(position));
      },
      tensors: (outputs, computeMs) => {
        end({ computeMs });
        count(computeMs);
        items[0]?.call.answer(outputs);
        items[0]?.call.settle();
      },
      lost: (hadBegun) => {
        if (hadBegun) end({ error: workerDied() });
        else if (started !== undefined) this.#started.delete(started);
        this.#retry(items, hadBegun);
      },
      failed: (cause) => {
        const error = modelFailed(cause);
        end({ error });
        for (const { call } of items) call.settle(error);
      },
    };
    const batch = engine.start(toBatch(items), listener, this.#scheduler.length === 0);
    if (batch === undefined) {
      this.#scheduler.putBack(items);
      return false;
    }
    const handedAtMs = clock.nowMs();
    const startedAtMs = () => batch.startedAtMs() ?? handedAtMs;
    const spans = new BatchSpans(items, { model, worker: batch.worker, startedAtMs });
    started = { items, batch, spans };
    this.#started.add(started);
    return true;
  }

  #retry(items: readonly Item[], hadBegun: boolean): void {
    const hopeful: Item[] = [];
    for (const item of items) {
      if (item.call.isSettled) continue;
      if (hadBegun) item.attempts += 1;
      if (item.attempts < attemptsMax) hopeful.push(item);
      else item.call.settle(workerDied());
    }
    const waiting = hopeful.filter((item) => !item.call.isSettled);
    if (hadBegun) for (const { call } of waiting) call.spans.putBack(1);
    this.#scheduler.putBack(waiting);
    this.#planPump();
  }

  /** One timer, for what will have waited too long first; it looks again when it fires. */
  #planExpiry(): void {
    if (this.#stopExpiry !== undefined) return;
    const atMs = this.#scheduler.expiresAtMs();
    if (atMs === undefined) return;
    this.#stopExpiry = this.#deps.clock.at(atMs, () => {
      this.#stopExpiry = undefined;
      const expired = this.#scheduler.expire(this.#deps.clock.nowMs());
      this.#deps.metrics.expired(expired.length);
      for (const { call } of expired) call.settle(queueExpired());
      this.#planExpiry();
    });
  }
}
