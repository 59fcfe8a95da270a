// Models that are loaded again and again while requests come in.

import { deepEqual, equal, ok } from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { repositoryOf, rowOf, valuesOf } from "../../../test/support/inference.js";
import { seeded } from "../../../test/support/random.js";
import { tokenVector } from "../../../test/support/tiny-graphs.js";
import { temporaryFolder, write, writeEmbedding } from "../../../test/support/tiny-models.js";
import type { Repository } from "./repository.js";

const growthBytesMax = 60e6;

/** Callers that never rest; each answer has to be that of one of the shifts. */
function startCallers(
  t: TestContext,
  repository: Repository,
  options: { readonly int: (below: number) => number; readonly shifts: readonly number[] },
) {
  const answered = new Map<number, number>();
  let isOver = false;
  t.after(() => {
    isOver = true;
  });
  const call = async (): Promise<void> => {
    const id = options.int(30_522);
    const rows = new Array(1 + options.int(12)).fill(rowOf([id]));
    const vectors = await valuesOf(repository.resolve("", ""), rows);
    const shift = options.shifts.find((one) => {
      const expected = Float32Array.from(tokenVector(id, one));
      return vectors.every((vector) => vector.every((x, i) => x === expected[i]));
    });
    ok(shift !== undefined, "vectors of no version, or of several");
    answered.set(shift, (answered.get(shift) ?? 0) + 1);
  };
  const callers = [1, 2].map(async () => {
    while (!isOver) await call();
  });
  return {
    answered,
    stop: async () => {
      isOver = true;
      await Promise.all(callers);
    },
  };
}

test("20 reloads fail no request, mix no versions and keep no memory", async (t) => {
  const root = temporaryFolder(t);
  const repository = repositoryOf(t, root, "first");
  const shifts = Array.from({ length: 21 }, (_, i) => i / 4);
  writeEmbedding(join(root, "first"));
  await repository.load("first");
  const callers = startCallers(t, repository, { int: seeded(t).int, shifts });
  let afterFive = 0;
  for (const [count, shift] of shifts.entries()) {
    if (count === 0) continue;
    writeEmbedding(join(root, "first"), { shift });
    await repository.load("first");
    await sleep(20);
    if (count === 5) afterFive = process.memoryUsage.rss();
  }
  await callers.stop();
  deepEqual(await lastShift(repository), shifts.at(-1));
  // Every version was there to answer.
  equal(callers.answered.size, shifts.length);
  const growth = process.memoryUsage.rss() - afterFive;
  t.diagnostic(`grown by ${Math.round(growth / 1e6)} MB since the fifth`);
  ok(growth < growthBytesMax, `${growth} bytes`);
});

test("versions come and go by serving.json, and fail no request", async (t) => {
  const random = seeded(t);
  const root = temporaryFolder(t);
  const repository = repositoryOf(t, root, "first");
  const shifts = [0.25, 0.5, 0.75];
  for (const [i, shift] of shifts.entries()) {
    writeEmbedding(join(root, `first/${i + 1}`), { shift });
  }
  await repository.load("first");
  const callers = startCallers(t, repository, { int: random.int, shifts });
  for (let round = 0; round < 6; round += 1) {
    const routes = [1, 2, 3]
      .filter(() => random.int(2) === 0)
      .map((version) => ({ version, weight: 1 + random.int(3) }));
    const versions = random.pick(["latest", "all", [1, 2, 3]]);
    const serving = routes.length === 0 ? { versions } : { versions, routes };
    write(join(root, "first"), { "serving.json": serving });
    // Several at once change a model one after another.
    const loads = Array.from({ length: 1 + random.int(2) }, () => repository.load("first"));
    await Promise.all(loads);
    const isRouted = routes.length > 0 && versions === "latest";
    const expected = isRouted ? routes.map(({ version }) => `${version}`) : ["1", "2", "3"];
    const serves = versions === "latest" && !isRouted ? ["3"] : expected;
    deepEqual(
      repository
        .loaded()
        .map(({ version }) => version)
        .sort(),
      serves,
    );
  }
  await callers.stop();
});

async function lastShift(repository: Repository): Promise<number> {
  const [vector] = await valuesOf(repository.resolve("", ""), [rowOf([5])]);
  return Math.round(((vector?.[0] as number) - (tokenVector(5)[0] as number)) * 100) / 100;
}
