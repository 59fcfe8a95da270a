import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import {
  InferenceService,
  type Model,
  type ModelSchema,
  Task,
} from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError } from "../../lib/errors.js";
import { FakeClock } from "../../lib/fake-clock.js";
import type { Channel } from "../../lib/rpc/call.js";
import { mulberry32, seeded } from "../../test/support/random.js";
import { createModelDirectory, type Fitness } from "./model-directory.js";

type Served = MessageInitShape<typeof ModelSchema>;

const first: Served = { name: "owner/first", version: "1", isDefaultModel: true, weight: 1 };

/** A directory over an inference service that serves `served`; while it is held, answers wait. */
function createDirectory(served: Served[], random: () => number = Math.random) {
  const clock = new FakeClock();
  const asked: { models: Served[]; answer: () => void }[] = [];
  const inference = { served, isDown: false, isHeld: false, asked };
  const listModels = async () => {
    const answer = { models: inference.served };
    const isDown = inference.isDown;
    await new Promise<void>((resolve) => {
      asked.push({ models: answer.models, answer: resolve });
      if (!inference.isHeld) resolve();
    });
    if (isDown) throw new MeshError("unavailable", "down");
    return answer;
  };
  const channel = {
    client: (service: unknown) => {
      equal(service, InferenceService);
      return { listModels };
    },
  };
  // The directory calls ListModels and nothing else.
  const directory = createModelDirectory(channel as unknown as Channel, { clock, random });
  return { clock, inference, directory };
}

test("no name means the default model, and its owner may be left out", async () => {
  const { directory, inference } = createDirectory([
    first,
    { name: "second", version: "3", weight: 1 },
  ]);
  for (const name of ["", "owner/first", "first"]) {
    equal((await directory.resolve(name, "")).name, "owner/first");
  }
  equal((await directory.resolve("second", "")).version, "3");
  equal((await directory.resolve("second", "3")).version, "3");
  equal(inference.asked.length, 1);
});

test("a version is found by its number or by its label", async () => {
  const { directory } = createDirectory([
    { ...first, versionLabels: ["stable", "old"] },
    { ...first, version: "2", weight: 0, versionLabels: ["canary"] },
  ]);
  const versionOf = async (version: string) => (await directory.resolve("", version)).version;
  equal(await versionOf("1"), "1");
  equal(await versionOf("old"), "1");
  equal(await versionOf("2"), "2");
  equal(await versionOf("canary"), "2");
  for (const version of ["3", "Canary", "01", "stable old"]) {
    await rejects(versionOf(version), {
      fault: "not_found",
      message: `unknown version ${version} of model: the default one`,
    });
  }
});

test("without a version, each version gets requests in the share of its weight", async (t) => {
  const random = seeded(t);
  const draw = mulberry32(random.int(2 ** 31));
  const weights = [3, 0, 1, 6];
  const served = weights.map((weight, index) => ({ ...first, version: `${index + 1}`, weight }));
  const { directory } = createDirectory(served, draw);
  const counts = weights.map(() => 0);
  const draws = 20_000;
  for (let i = 0; i < draws; i += 1) {
    const index = Number((await directory.resolve("", "")).version) - 1;
    counts[index] = (counts[index] ?? 0) + 1;
  }
  for (const [index, weight] of weights.entries()) {
    const share = (counts[index] ?? 0) / draws;
    ok(Math.abs(share - weight / 10) < 0.02, `version ${index + 1} had ${share}`);
  }
  equal(counts[1], 0);
});

test("a version without weight has no share, whatever chance says", async () => {
  const { directory } = createDirectory(
    [
      { ...first, weight: 0 },
      { ...first, version: "2" },
    ],
    () => 0,
  );
  equal((await directory.resolve("", "")).version, "2");
});

test("the only version of a model serves whatever its weight", async () => {
  const { directory } = createDirectory([{ ...first, weight: 0 }]);
  equal((await directory.resolve("", "")).version, "1");
});

test("what is known for half a second is read again, and nobody waits for that", async () => {
  const { clock, directory, inference } = createDirectory([first]);
  await directory.resolve("", "");
  await clock.moveTo(500);
  await directory.resolve("", "");
  equal(inference.asked.length, 1);

  inference.served = [{ ...first, version: "2" }];
  inference.isHeld = true;
  await clock.moveTo(501);
  for (let i = 0; i < 3; i += 1) equal((await directory.resolve("", "")).version, "1");
  equal(inference.asked.length, 2);
  inference.asked[1]?.answer();
  await clock.moveTo(502);
  equal((await directory.resolve("", "")).version, "2");
  equal(inference.asked.length, 2);
});

test("when inference cannot be asked, what is known goes on, and it is asked again", async () => {
  const { clock, directory, inference } = createDirectory([first]);
  await directory.resolve("", "");
  inference.isDown = true;
  await clock.moveTo(1_000);
  equal((await directory.resolve("", "")).version, "1");
  await clock.moveTo(1_001);
  await rejects(directory.resolve("nope", ""), { fault: "unavailable" });
  inference.isDown = false;
  inference.served = [{ ...first, version: "2" }];
  await directory.resolve("", "");
  await clock.moveTo(1_002);
  equal((await directory.resolve("", "")).version, "2");
});

test("as long as nothing is known, callers wait, and hear that it cannot be read", async () => {
  const { directory, inference } = createDirectory([first]);
  inference.isDown = true;
  inference.isHeld = true;
  const calls = [directory.resolve("", ""), directory.list()];
  inference.asked[0]?.answer();
  for (const { status } of await Promise.allSettled(calls)) equal(status, "rejected");
  equal(inference.asked.length, 1);
  inference.isDown = false;
  inference.isHeld = false;
  equal((await directory.resolve("", "")).version, "1");
});

test("a model that came since is found at once, and one that is not there after a fresh look", async () => {
  const { directory, inference } = createDirectory([first]);
  await directory.resolve("", "");
  inference.served = [first, { name: "new", version: "1", weight: 1 }];
  equal((await directory.resolve("new", "")).name, "new");
  equal(inference.asked.length, 2);
  await rejects(directory.resolve("newer", ""), { message: "unknown model: newer" });
  equal(inference.asked.length, 3);
});

test("a fresh look is one that began after it was asked for, and there is one at a time", async () => {
  const { clock, directory, inference } = createDirectory([first]);
  await directory.resolve("", "");
  inference.isHeld = true;
  await clock.moveTo(501);
  await directory.resolve("", "");
  // This one is on its way with the old answer when the model comes.
  equal(inference.asked.length, 2);
  inference.served = [first, { name: "new", version: "1", weight: 1 }];
  const calls = [directory.resolve("new", ""), directory.resolve("new", ""), directory.refresh()];
  await clock.moveTo(502);
  equal(inference.asked.length, 2);
  inference.asked[1]?.answer();
  await clock.moveTo(503);
  equal(inference.asked.length, 3);
  inference.asked[2]?.answer();
  const [found] = await Promise.all(calls);
  equal(found?.name, "new");
  equal(inference.asked.length, 3);

  inference.isHeld = false;
  const refreshed = [directory.refresh(), directory.refresh()];
  await Promise.all(refreshed);
  equal(inference.asked.length, 5);
});

test("a failure on the way does not keep a fresh look from beginning", async () => {
  const { clock, directory, inference } = createDirectory([first]);
  await directory.resolve("", "");
  inference.isHeld = true;
  inference.isDown = true;
  await clock.moveTo(501);
  await directory.resolve("", "");
  inference.isDown = false;
  inference.served = [{ ...first, version: "2" }];
  const refreshed = directory.refresh();
  inference.asked[1]?.answer();
  await clock.moveTo(502);
  inference.asked[2]?.answer();
  await refreshed;
  equal((await directory.resolve("", "")).version, "2");
});

test("the list is what inference says, in its order", async () => {
  const served = [first, { ...first, version: "2" }, { name: "second", version: "1" }];
  const { directory } = createDirectory(served);
  deepEqual(
    (await directory.list()).map(({ name, version }) => `${name} ${version}`),
    ["owner/first 1", "owner/first 2", "second 1"],
  );
});

test("without a name, the best model that fits is meant; with one, it must fit", async () => {
  const { directory } = createDirectory([
    { ...first, task: Task.EMBEDDING, labels: ["good", "bad"] },
    { name: "judge", version: "1", task: Task.CLASSIFICATION, labels: ["spam"] },
    { name: "ranker", version: "1", task: Task.RERANKING, labels: [] },
  ]);
  const fitness = (fits: (model: Model) => boolean, best?: Task): Fitness => ({
    fits,
    refusal: "cannot",
    ...(best !== undefined && { isBest: ({ task }) => task === best }),
  });
  const hasLabels = ({ labels }: Model) => labels.length > 0;
  const nameOf = async (wanted: Fitness) => (await directory.resolve("", "", wanted)).name;
  equal(await nameOf(fitness(hasLabels)), "owner/first");
  equal(await nameOf(fitness(hasLabels, Task.CLASSIFICATION)), "judge");
  equal(await nameOf(fitness(hasLabels, Task.SPARSE_EMBEDDING)), "owner/first");
  equal(await nameOf(fitness(({ task }) => task === Task.RERANKING)), "ranker");
  const sparse = fitness(({ task }) => task === Task.SPARSE_EMBEDDING);
  const refused = { fault: "wrong_task", message: "cannot" };
  await rejects(directory.resolve("", "", sparse), refused);
  await rejects(directory.resolve("ranker", "", fitness(hasLabels)), refused);
});
