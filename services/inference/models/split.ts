import type { Clock } from "../../../lib/clock.js";
import type { ModelSpec, TensorModel } from "../../../lib/model-spec.js";
import type { Engine, Row, SequenceBatch } from "../batching/batch.js";
import type { SchedulerLimits } from "../batching/scheduler.js";
import type { Split } from "./limits.js";

/** Long enough for some tens of batches, short enough for a start. */
const measureMs = 400;
/** Machines are noisy: a later split must be that much better than the first, which needs no luck. */
const clearlyBetter = 1.1;
const usualTokens = 16;

/** An opened pool of workers that can be measured and closed. */
export interface Candidate extends Engine {
  close(): Promise<void>;
}

interface Measured {
  readonly spec: ModelSpec;
  readonly limits: Pick<SchedulerLimits, "batchSequencesMax" | "batchTokensMax">;
  readonly clock: Clock;
}

/** Opens the workers by the split that runs most batches at once; with one split there is nothing to measure. */
export async function openBestSplit<T extends Candidate>(
  splits: readonly [Split, ...Split[]],
  open: (split: Split) => Promise<T>,
  { spec, limits, clock }: Measured,
): Promise<{ readonly pool: T; readonly split: Split }> {
  const [first, ...others] = splits;
  let best = { pool: await open(first), split: first };
  if (others.length === 0 || spec.task === "tensors") return best;
  const batch = sampleBatch(spec, limits);
  let bestRate = await measure(best.pool, batch, clock);
  try {
    for (const split of others) {
      const pool = await open(split);
      const rate = await measure(pool, batch, clock);
      const isBetter = rate > bestRate * clearlyBetter;
      await (isBetter ? best.pool : pool).close();
      if (!isBetter) continue;
      best = { pool, split };
      bestRate = rate;
    }
  } catch (error) {
    await best.pool.close();
    throw error;
  }
  return best;
}

/** Batches that finish in a millisecond while every worker always has one; the pool is closed when one does not. */
async function measure(pool: Candidate, batch: SequenceBatch, clock: Clock): Promise<number> {
  try {
    return await rateOf(pool, batch, clock);
  } catch (error) {
    await pool.close();
    throw error;
  }
}

function rateOf(engine: Engine, batch: SequenceBatch, clock: Clock): Promise<number> {
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

/** A full batch of texts of usual length. */
function sampleBatch(
  spec: Exclude<ModelSpec, TensorModel>,
  { batchSequencesMax, batchTokensMax }: Measured["limits"],
): SequenceBatch {
  const length = Math.min(usualTokens, spec.tokensMax);
  const sequences = Math.min(batchSequencesMax, Math.floor(batchTokensMax / length));
  const row: Row = {
    ids: new Array<number>(length).fill(1),
    typeIds: [],
    output: outputOf[spec.task],
  };
  return { kind: "sequences", rows: new Array<Row>(sequences).fill(row) };
}

const outputOf = {
  embedding: "unit_vector",
  sparse: "sparse",
  classification: "logits",
  reranking: "logits",
} as const;
