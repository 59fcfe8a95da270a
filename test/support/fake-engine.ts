import type {
  Batch,
  BatchListener,
  Engine,
  StartedBatch,
} from "../../services/inference/batching/batch.js";

/** What a test lets a batch end in. */
interface Job {
  readonly batch: Batch;
  readonly listener: BatchListener;
}

/** Workers that end their batches when the test says so. A row of ids is answered by its `sumAndCount`. */
export class FakeEngine implements Engine {
  onFree = (): void => {};
  /** Every batch that was started, in order. */
  readonly batches: { readonly batch: Batch; readonly isLast: boolean }[] = [];
  /** Whether batches that have not begun may be taken back; otherwise the worker is always faster. */
  isRevocable = true;
  /** Workers that are there; the others are dead. */
  workersUp: number;
  readonly #workers: Job[][];
  /** Where a real engine has shared memory: overwritten by the next batch. */
  readonly #memory = new Float32Array(64);

  constructor(workers: number) {
    this.workersUp = workers;
    this.#workers = Array.from({ length: workers }, () => []);
  }

  get workerCount(): number {
    return this.#workers.length;
  }

  get idleCount(): number {
    return this.#up.filter((jobs) => jobs.length === 0).length;
  }

  get prefetchCount(): number {
    return this.#up.filter((jobs) => jobs.length === 1).length;
  }

  /** Batches that run. */
  get runningCount(): number {
    return this.#workers.filter((jobs) => jobs.length > 0).length;
  }

  /** The ids of every batch of sequences that was started. */
  get rows(): (readonly number[])[][] {
    return this.batches.map(({ batch }) =>
      batch.kind === "sequences" ? batch.rows.map(({ ids }) => ids) : [],
    );
  }

  get #up(): Job[][] {
    return this.#workers.slice(0, this.workersUp);
  }

  start(batch: Batch, listener: BatchListener, isLast: boolean): StartedBatch | undefined {
    const jobs = this.#up
      .filter(({ length }) => length < 2)
      .sort((a, b) => a.length - b.length)
      .at(0);
    if (jobs === undefined) return undefined;
    this.batches.push({ batch, isLast });
    const job = { batch, listener };
    jobs.push(job);
    return {
      worker: this.#workers.indexOf(jobs),
      startedAtMs: () => undefined,
      revoke: () => {
        if (!this.isRevocable || jobs.indexOf(job) < 1) return false;
        jobs.splice(jobs.indexOf(job), 1);
        return true;
      },
    };
  }

  /** Ends the batch that runs on the `index`th busy worker, and lets its continuations run. */
  async finish(index = 0, computeMs = 1): Promise<void> {
    const job = this.#busy(index)?.shift();
    if (job?.batch.kind === "tensors") job.listener.tensors(job.batch.inputs, computeMs);
    if (job?.batch.kind === "sequences") {
      for (const [row, { ids }] of job.batch.rows.entries()) {
        this.#memory.set(sumAndCount(ids), 2 * row);
      }
      job.listener.rows((row) => this.#memory.subarray(2 * row, 2 * row + 2), computeMs);
      this.#memory.fill(Number.NaN);
    }
    await this.#freed();
  }

  async fail(error: Error, index = 0): Promise<void> {
    this.#busy(index)?.shift()?.listener.failed(error);
    await this.#freed();
  }

  /** The worker dies with its batches, and another one takes its place at once. */
  async lose(index = 0): Promise<void> {
    const lost = this.#busy(index)?.splice(0) ?? [];
    for (const [position, { listener }] of lost.entries()) listener.lost(position === 0);
    await this.#freed();
  }

  /** Lets batches end until none is left. */
  async drain(): Promise<void> {
    while (this.runningCount > 0) await this.finish();
  }

  #busy(index: number): Job[] | undefined {
    return this.#workers.filter((jobs) => jobs.length > 0)[index];
  }

  async #freed(): Promise<void> {
    this.onFree();
    await turn();
  }
}

/** One turn of the event loop, after what was planned for it. */
export function turn(): Promise<void> {
  return new Promise(setImmediate);
}

export function sumAndCount(ids: readonly number[]): [number, number] {
  return [ids.reduce((sum, id) => sum + id, 0), ids.length];
}
