import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { watchOthers } from "../server-facts.js";
import type { Batch } from "./batches.js";
import type { LimitRun, LimitSetup } from "./worker.js";

/** How the cores are shared: sessions times the threads of each. */
interface Split {
  readonly name: string;
  readonly workers: readonly Worker[];
}

export interface LimitMeasurement {
  readonly textsPerSecond: number;
  /** The split that won, "sessions x threads". */
  readonly split: string;
  /** Share of all cores that programs beside the bench used. */
  readonly othersShare: number;
}

/**
 * The most this machine can do with a model file: bare sessions, opened as the mesh opens them, in a loop over ready
 * batches. One session a core and one session over all cores take turns; the better one is the limit. The sessions
 * stay open, idle, so that the limit can be measured again beside each case.
 */
export class Limit {
  readonly #splits: readonly Split[];
  /** A session allocates memory for each shape that it meets for the first time. */
  readonly #warmFor = new Set<readonly Batch[]>();

  static async open(file: string): Promise<Limit> {
    const cores = availableParallelism();
    const each = openSplit(file, { sessions: cores, threads: 1 });
    const all = openSplit(file, { sessions: 1, threads: cores });
    return new Limit(await Promise.all(cores === 1 ? [each] : [each, all]));
  }

  private constructor(splits: readonly Split[]) {
    this.#splits = splits;
  }

  async measure(batches: readonly Batch[], seconds: number): Promise<LimitMeasurement> {
    let best = { textsPerSecond: 0, split: "" };
    const isWarm = this.#warmFor.has(batches);
    this.#warmFor.add(batches);
    const shareOfOthers = watchOthers();
    const cpuBefore = process.cpuUsage();
    for (const { name: split, workers } of this.#splits) {
      if (!isWarm) await run(workers, batches, 0);
      const textsPerSecond = await run(workers, batches, seconds);
      if (textsPerSecond > best.textsPerSecond) best = { textsPerSecond, split };
    }
    const { user, system } = process.cpuUsage(cpuBefore);
    return { ...best, othersShare: shareOfOthers((user + system) / 1e6) };
  }

  async close(): Promise<void> {
    const workers = this.#splits.flatMap((split) => split.workers);
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

async function openSplit(
  file: string,
  { sessions, threads }: { readonly sessions: number; readonly threads: number },
): Promise<Split> {
  const workerData: LimitSetup = { file, threads };
  const url = new URL("./worker.js", import.meta.url);
  const workers = Array.from({ length: sessions }, () => new Worker(url, { workerData }));
  await Promise.all(workers.map((worker) => once(worker, "message")));
  return { name: `${sessions} x ${threads}`, workers };
}

/** Texts a second over whole passes: at least one, and as many as fill the time. */
async function run(
  workers: readonly Worker[],
  batches: readonly Batch[],
  seconds: number,
): Promise<number> {
  const turns = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT);
  const order: LimitRun = { batches, seconds, turns };
  const beganAt = performance.now();
  const ends = workers.map((worker) => once(worker, "message"));
  for (const worker of workers) worker.postMessage(order);
  await Promise.all(ends);
  const elapsedSeconds = (performance.now() - beganAt) / 1_000;
  const [, turnsDone = 0] = new Int32Array(turns);
  return ((turnsDone / batches.length) * batches.flat().length) / elapsedSeconds;
}
