import type { Clock } from "../../lib/clock.js";
import type { ModelSpec } from "../../lib/model-spec.js";
import type { Engine, Row, SequenceBatch } from "./batch.js";
import type { Split } from "./limits.js";

/** Long enough for some tens of batches, short enough for a start. */
const measureMs = 400;
/** Machines are noisy: a later split must be that much better than the first, which needs no luck. */
const clearlyBetter = 1.1;
const tokens = 16;

/** An opened pool of workers that can be measured and closed. */
export interface Candidate extends Engine {
  close(): Promise<void>;
}

/** Opens the workers by the split that runs most batches at once; with one split there is nothing to measure. */
export async function openBestSplit<T extends Candidate>(
  splits: readonly [Split, ...Split[]],
  open: (split: Split) => Promise<T>,
  {
    spec,
    batchSequences,
    clock,
  }: {
    readonly spec: ModelSpec;
    readonly batchSequences: number;
    readonly clock: Clock;
  },
): Promise<{ readonly pool: T; readonly split: Split }> {
  const [first, ...others] = splits;
  let best = { pool: await open(first), split: first };
  if (others.length === 0 || spec.task === "tensors") return best;
  const batch = sampleBatch(spec, batchSequences);
  let bestRate = await measure(best.pool, batch, clock);
  for (const split of others) {
    const pool = await open(split);
    const rate = await measure(pool, batch, clock);
    const isBetter = rate > bestRate * clearlyBetter;
    await (isBetter ? best.pool : pool).close();
    if (!isBetter) continue;
    best = { pool, split };
    bestRate = rate;
  }
  return best;
}

/** Batches that finish in a millisecond while every worker always has one. */
function measure(engine: Engine, batch: SequenceBatch, clock: Clock): Promise<number> {
  const beginMs = clock.nowMs();
  return new Promise((resolve, reject) => {
    let finished = 0;
    let running = 0;
    const fill = (): void => {
      const isOver = clock.nowMs() - beginMs >= measureMs;
      while (!isOver && engine.idleCount > 0) start();
      if (isOver && running === 0) resolve(finished / (clock.nowMs() - beginMs));
    };
    const end = (): void => {
      running -= 1;
      // The worker counts as idle once this has returned.
      setImmediate(fill);
    };
    const start = (): void => {
      running += 1;
      engine.start(
        batch,
        {
          rows: () => {
            finished += 1;
            end();
          },
          tensors: end,
          lost: () => reject(new Error("a worker died while it was measured")),
          failed: reject,
        },
        false,
      );
    };
    fill();
  });
}

function sampleBatch(spec: ModelSpec, sequences: number): SequenceBatch {
  const output = { embedding: "unit_vector", sparse: "sparse", tensors: "logits" } as const;
  const row: Row = {
    ids: new Array<number>(tokens).fill(1),
    typeIds: [],
    output: spec.task in output ? output[spec.task as keyof typeof output] : "logits",
  };
  return { kind: "sequences", rows: new Array<Row>(sequences).fill(row) };
}
