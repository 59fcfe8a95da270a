import { deepEqual } from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { getPriority } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import {
  float32Tensor,
  openModel,
  rowOf,
  valuesOf,
  workOptions,
} from "../../../test/support/inference.js";
import { tokenVector } from "../../../test/support/tiny-graphs.js";
import {
  temporaryFolder,
  writeEmbedding,
  writeIdentity,
} from "../../../test/support/tiny-models.js";

test("a batch that arrives before the last one ran leaves its inputs alone", async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { pooling: "cls" });
  const model = await openModel(t, folder);
  for (let round = 0; round < 10; round += 1) {
    const ids = Array.from({ length: 200 }, (_, i) => 200 * round + i);
    const vectors = await valuesOf(
      model,
      ids.map((id) => rowOf([id])),
    );
    const expected = ids.map((id) => Float32Array.from(tokenVector(id)));
    deepEqual(vectors, expected);
  }
});

const isLinux = process.platform === "linux";

test("threads that run models let the event loop go first", { skip: !isLinux }, async (t) => {
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { pooling: "cls" });
  const own = getPriority();
  await openModel(t, folder);
  deepEqual([countNice(own + 10) > 0, nicenessOf(process.pid)], [true, own]);
});

/** Threads of this process with that niceness. */
function countNice(niceness: number): number {
  return readdirSync("/proc/self/task").filter((thread) => nicenessOf(thread) === niceness).length;
}

/** Undefined when the thread has just ended. */
function nicenessOf(thread: string | number): number | undefined {
  try {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, "utf8");
    // Field 19 of proc(5); the name in field 2 ends with a parenthesis and may hold spaces.
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[16]);
  } catch {
    return undefined;
  }
}

test("requests of tensors and of sequences take turns on one worker", async (t) => {
  const folder = temporaryFolder(t);
  writeIdentity(join(folder, "tensors"));
  const model = await openModel(t, join(folder, "tensors"));
  const outputs = await Promise.all(
    Array.from({ length: 50 }, (_, i) =>
      model.runTensors([float32Tensor("INPUT0", [1, 4], [i, i, i, i])], [], workOptions()),
    ),
  );
  for (const [i, [output]] of outputs.entries()) {
    deepEqual(output, { ...float32Tensor("OUTPUT0", [1, 4], [i, i, i, i]) });
  }
});
