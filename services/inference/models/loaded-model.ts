import { availableParallelism } from "node:os";
import type { Worker } from "node:worker_threads";
import { type Clock, sleep } from "../../../lib/clock.js";
import { MeshError } from "../../../lib/errors.js";
import type { Log } from "../../../lib/log.js";
import { type Dtype, dtypes, type ModelSpec } from "../../../lib/model-spec.js";
import type { Row } from "../batching/batch.js";
import { BatchRunner } from "../batching/batch-runner.js";
import type { CallTiming } from "../batching/items.js";
import type { SchedulerLimits } from "../batching/scheduler.js";
import type { InferenceConfig } from "../config.js";
import type { InferenceMetrics } from "../metrics.js";
import { validateTensors } from "../workers/tensor-validation.js";
import type { WorkerSetup } from "../workers/worker-messages.js";
import { WorkerPool } from "../workers/worker-pool.js";
import { type Split, schedulerLimits, slotSize, splitsOf } from "./limits.js";
import type { NamedTensor, ServedModel, TensorMetadata, WorkOptions } from "./served-model.js";
import { openBestSplit } from "./split.js";
import { Statistics } from "./statistics.js";

export interface ModelVersion {
  readonly name: string;
  readonly version: string;
  readonly revision: string;
  readonly spec: ModelSpec;
}

export interface LoadDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: InferenceMetrics;
  /** Tests run other code in the threads. */
  readonly createWorker?: (setup: WorkerSetup) => Worker;
}

/** One text is too little work for more threads than that. */
const wideThreadsMax = 4;
/** How often a model that drains looks whether it is idle. */
const drainLookMs = 10;

/** One version of a model with its workers. */
export class LoadedModel implements ServedModel {
  readonly name: string;
  readonly version: string;
  readonly revision: string;
  readonly spec: ModelSpec;
  readonly dtype: Dtype;
  readonly limits: SchedulerLimits;
  readonly split: Split;
  readonly statistics = new Statistics();
  readonly #pool: WorkerPool;
  readonly #runner: BatchRunner;
  readonly #clock: Clock;
  #activeCount = 0;

  private constructor(
    model: ModelVersion,
    parts: {
      readonly dtype: Dtype;
      readonly limits: SchedulerLimits;
      readonly pool: WorkerPool;
      readonly split: Split;
      readonly deps: LoadDeps;
    },
  ) {
    this.name = model.name;
    this.version = model.version;
    this.revision = model.revision;
    this.spec = model.spec;
    this.dtype = parts.dtype;
    this.limits = parts.limits;
    this.split = parts.split;
    this.#pool = parts.pool;
    this.#clock = parts.deps.clock;
    this.#runner = new BatchRunner(parts.limits, {
      engine: parts.pool,
      model: { ...model, dtype: parts.dtype, device: this.device },
      clock: parts.deps.clock,
      metrics: parts.deps.metrics.ofModel(model.name),
      statistics: this.statistics,
    });
  }

  /** Resolves when every worker has loaded the model and run it once; rejects with what is wrong with it. */
  static async open(
    model: ModelVersion,
    config: InferenceConfig,
    deps: LoadDeps,
    /** The split that was found best before; undefined: measure. */
    known?: Split,
  ): Promise<LoadedModel> {
    const { providers } = config;
    const opened = await LoadedModel.#open(model, { config, providers, known }, deps);
    const { fallbackReason, device } = opened.#pool.ready ?? {};
    if (fallbackReason === undefined) return opened;
    deps.log.warn(
      { model: model.name, device, reason: fallbackReason },
      "the model does not run on the first execution provider",
    );
    deps.metrics.ofModel(model.name).fellBack();
    if (device !== "cpu") return opened;
    // What was planned for a GPU is wrong for a CPU: batches, weights and the number of workers.
    await opened.#pool.close();
    return await LoadedModel.#open(model, { config, providers: ["cpu"], known: undefined }, deps);
  }

  static async #open(
    model: ModelVersion,
    {
      config,
      providers,
      known,
    }: {
      readonly config: InferenceConfig;
      readonly providers: readonly string[];
      readonly known: Split | undefined;
    },
    deps: LoadDeps,
  ): Promise<LoadedModel> {
    const { clock } = deps;
    const { spec } = model;
    const [provider = "cpu"] = providers;
    const limits = schedulerLimits(config, spec, provider);
    const dtype = chooseDtype(spec, config.dtype, provider);
    const metrics = deps.metrics.ofModel(model.name);
    const file = spec.files[dtype] ?? "";
    const open = ({ workers, threads }: Split): Promise<WorkerPool> =>
      WorkerPool.open(
        {
          workers,
          wideThreads: provider === "cpu" ? Math.min(wideThreadsMax, availableParallelism()) : 1,
          size: slotSize(spec, limits),
          setup: {
            spec,
            file,
            threads,
            providers,
            niceness: config.niceness,
            deviceId: config.deviceId,
          },
          batchMsMax: config.batchMsMax,
          loadMsMax: config.loadMsMax,
        },
        { ...deps, onRestart: () => metrics.workerRestarted() },
      );
    const splits = known === undefined ? splitsOf(config, provider) : ([known] as const);
    const { pool, split } = await openBestSplit(splits, open, { spec, limits, clock });
    return new LoadedModel(model, { dtype, limits, pool, split, deps });
  }

  get inputs(): readonly TensorMetadata[] {
    return this.#pool.ready?.inputs ?? [];
  }

  get outputs(): readonly TensorMetadata[] {
    return this.#pool.ready?.outputs ?? [];
  }

  get device(): string {
    return this.#pool.ready?.device ?? "";
  }

  get isHealthy(): boolean {
    return this.#pool.isHealthy;
  }

  get queueLength(): number {
    return this.#runner.queueLength;
  }

  /** See BatchRunner.run. */
  async run(
    rows: readonly Row[],
    options: WorkOptions,
    collect: (row: number, values: Float32Array) => void,
  ): Promise<CallTiming> {
    return await this.#counted(() => this.#runner.run(rows, options, collect));
  }

  async runTensors(
    inputs: readonly NamedTensor[],
    outputNames: readonly string[],
    options: WorkOptions,
  ): Promise<readonly NamedTensor[]> {
    validateTensors(inputs, outputNames, this);
    return await this.#counted(() =>
      this.#runner.runTensors({ kind: "tensors", inputs, outputNames }, options),
    );
  }

  /** Finishes what was accepted, within `drainMsMax`, and ends the workers: their sessions leak when closed alone. */
  async close(drainMsMax: number): Promise<void> {
    const deadlineAtMs = this.#clock.nowMs() + drainMsMax;
    while (this.#activeCount > 0 && this.#clock.nowMs() < deadlineAtMs) {
      await sleep(this.#clock, drainLookMs);
    }
    this.#runner.close();
    await this.#pool.close();
  }

  async #counted<T>(work: () => Promise<T>): Promise<T> {
    this.#activeCount += 1;
    try {
      return await work();
    } finally {
      this.#activeCount -= 1;
    }
  }
}

/** The file to run: what the settings ask for, or the cheapest that the device runs well. */
function chooseDtype(spec: ModelSpec, wanted: Dtype | "auto", provider: string): Dtype {
  const order: readonly Dtype[] =
    provider === "cpu" ? ["int8", "float32", "float16"] : ["float16", "float32", "int8"];
  const isThere = (dtype: Dtype): boolean => spec.files[dtype] !== undefined;
  if (wanted !== "auto" && spec.task !== "tensors" && !isThere(wanted)) {
    const found = dtypes.filter(isThere).join(", ");
    throw new MeshError("invalid", `there are no ${wanted} weights (DTYPE), only ${found}`);
  }
  const chosen = wanted !== "auto" && isThere(wanted) ? wanted : order.find(isThere);
  if (chosen === undefined) throw new MeshError("invalid", "there is no ONNX file");
  return chosen;
}
