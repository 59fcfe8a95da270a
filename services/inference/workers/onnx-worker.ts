// A worker thread with the sessions of one model. `session.run` blocks the thread that calls it from start to end,
// so sessions never live on the main thread.

import { getPriority, setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { assert } from "../../../lib/assert.js";
import { systemClock } from "../../../lib/clock.js";
import { type BatchSlot, take } from "./batch-slot.js";
import { openSession } from "./onnx-session.js";
import { metadataOf, TensorRun } from "./tensor-run.js";
import { TextRun } from "./text-run.js";
import type { WorkerMessage, WorkerOrder, WorkerSetup } from "./worker-messages.js";

assert(parentPort !== null, "this file runs as a worker thread");
/** The most that setpriority(2) takes. */
const nicenessMax = 19;
const port = parentPort;
const setup = workerData as WorkerSetup;
// Before there are sessions: their threads have it from this one.
yieldToOthers(setup.niceness);
const { session, device, fallbackReason } = await openSession(setup.file, setup);
const wide =
  setup.wideThreads > setup.threads
    ? (await openSession(setup.file, { ...setup, threads: setup.wideThreads })).session
    : session;
const texts =
  setup.spec.task === "tensors"
    ? undefined
    : { narrow: await TextRun.open(session, setup), wide: await TextRun.open(wide, setup) };
const tensors = new TensorRun(session);

/** ONNX Runtime runs a batch some turns of the event loop after it was asked; its inputs must stand until then. */
let last = Promise.resolve();
port.on("message", (order: WorkerOrder) => {
  last = last.then(() => (order.kind === "end" ? process.exit() : answer(order)));
});
say({
  kind: "ready",
  inputs: metadataOf(session.inputMetadata),
  outputs: metadataOf(session.outputMetadata),
  device,
  fallbackReason,
});

/** Process 0 is the calling thread on Linux; elsewhere it would be the event loop as well. */
function yieldToOthers(niceness: number): void {
  if (process.platform !== "linux" || niceness === 0) return;
  const wanted = Math.min(getPriority(0) + niceness, nicenessMax);
  try {
    setPriority(0, wanted);
  } catch {
    // A sandbox forbids it. The model runs all the same.
  }
}

function say(message: WorkerMessage): void {
  port.postMessage(message);
}

type BatchOrder = Exclude<WorkerOrder, { kind: "end" }>;

async function answer(order: BatchOrder): Promise<void> {
  const { slot, ticket } = order;
  const memory = setup.slots[slot] as BatchSlot;
  if (!take(memory, ticket)) return;
  try {
    say(await run(order, memory));
  } catch (error) {
    say({ kind: "failed", slot, message: String(error) });
  }
}

async function run(order: BatchOrder, memory: BatchSlot): Promise<WorkerMessage> {
  const { slot } = order;
  const startedAt = systemClock.nowMs();
  if (order.kind === "tensors") {
    const outputs = await tensors.run(order.inputs, order.outputNames);
    return { kind: "tensors", slot, outputs, computeMs: systemClock.nowMs() - startedAt };
  }
  assert(texts !== undefined, "the model has no sequences");
  await (order.isWide ? texts.wide : texts.narrow).run(memory, order.shape);
  return { kind: "done", slot, computeMs: systemClock.nowMs() - startedAt };
}
