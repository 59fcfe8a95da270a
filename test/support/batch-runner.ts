import { equal } from "node:assert/strict";
import { Registry } from "prom-client";
import { MeshError } from "../../lib/errors.js";
import { FakeClock } from "../../lib/fake-clock.js";
import { BatchRunner } from "../../services/inference/batching/batch-runner.js";
import type { SchedulerLimits } from "../../services/inference/batching/scheduler.js";
import { createInferenceMetrics } from "../../services/inference/metrics.js";
import type { WorkOptions } from "../../services/inference/models/served-model.js";
import { Statistics } from "../../services/inference/models/statistics.js";
import { FakeEngine } from "./fake-engine.js";
import { rowOf, workOptions } from "./inference.js";

const limits = {
  batchSequencesMax: 4,
  batchTokensMax: 100,
  queueMax: 8,
  queueMsMax: 1_000,
  bulkWaitMsMax: 100,
  batchOverheadTokens: 8,
};

/** A runner over a fake engine, in a time that stands still. */
export function createRunner(workers: number, over: Partial<SchedulerLimits> = {}) {
  const [engine, clock, registry] = [new FakeEngine(workers), new FakeClock(), new Registry()];
  const metrics = createInferenceMetrics(registry, clock).ofModel("tiny");
  const statistics = new Statistics();
  const model = { name: "tiny", version: "1", dtype: "float32", device: "cpu" };
  const runner = new BatchRunner(
    { ...limits, ...over },
    { engine, model, clock, metrics, statistics },
  );
  /** Numbers of each row of ids. */
  const run = async (
    rows: readonly (readonly number[])[],
    options: Partial<WorkOptions> = {},
  ): Promise<number[][]> => {
    const answers: number[][] = [];
    await runner.run(
      rows.map((ids) => rowOf(ids)),
      workOptions(options),
      (row, values) => {
        equal(answers[row], undefined);
        answers[row] = [...values];
      },
    );
    return answers;
  };
  const metric = async (name: string): Promise<number | undefined> => {
    const found = await registry.getSingleMetric(`arrowmesh_inference_${name}`)?.get();
    return found?.values[0]?.value;
  };
  return { engine, clock, runner, statistics, run, metric };
}

/** A caller that may leave. */
export function leaving() {
  const controller = new AbortController();
  const leave = () => controller.abort(new MeshError("cancelled", "the caller left"));
  return { signal: controller.signal, leave };
}
