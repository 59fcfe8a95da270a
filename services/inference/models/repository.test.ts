import { deepEqual, equal, match, notEqual, ok, rejects, throws } from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { Registry } from "prom-client";
import { loadDeps, repositoryOf, rowOf, valuesOf } from "../../../test/support/inference.js";
import { onnxBytes } from "../../../test/support/onnx-builder.js";
import { mulberry32 } from "../../../test/support/random.js";
import { ids, program } from "../../../test/support/test-pool.js";
import { identity, tokenVector } from "../../../test/support/tiny-graphs.js";
import * as tiny from "../../../test/support/tiny-models.js";
import type { LoadDeps, LoadedModel } from "./loaded-model.js";
import type { Repository } from "./repository.js";

const { write, writeBroken, writeEmbedding, writeIdentity } = tiny;

/** A repository with an empty folder for models; `first` is the default one. */
function create(
  t: TestContext,
  env: Readonly<Record<string, string>> = {},
  over: Partial<LoadDeps> = {},
) {
  const root = tiny.temporaryFolder(t);
  const registry = new Registry();
  const random = mulberry32(7);
  const deps = { ...loadDeps(registry), ...over };
  const repository = repositoryOf(t, root, "first", { env, random, deps });
  const statesOf = (model: string) =>
    repository
      .versions()
      .filter((version) => version.model === model)
      .map(({ version, state, reason }) => [version, state, reason]);
  const metric = async (name: string) =>
    (await registry.getSingleMetric(`arrowmesh_inference_${name}`)?.get())?.values;
  return { root, repository, statesOf, metric };
}

/** The shift of an embedding model that answers. */
async function shiftOf(model: LoadedModel): Promise<number> {
  const [vector] = await valuesOf(model, [rowOf([5])]);
  return Math.round(((vector?.[0] as number) - (tokenVector(5)[0] as number)) * 100) / 100;
}

const versionsOf = (repository: Repository) => repository.loaded().map(({ version }) => version);

test("models are loaded by name, and the default one has several", async (t) => {
  const { root, repository } = create(t, { MODEL_ID: "owner/first" });
  writeIdentity(join(root, "first"));
  writeIdentity(join(root, "second"));
  throws(() => repository.resolve("", ""), { fault: "not_found" });
  await repository.load("second");
  await repository.load("");
  for (const name of ["", "first", "owner/first"]) {
    const model = repository.resolve(name, "");
    deepEqual([model.name, repository.isDefault(model)], ["owner/first", true]);
  }
  const second = repository.resolve("second", "1");
  deepEqual([second.name, repository.isDefault(second)], ["second", false]);
  equal(repository.loaded().length, 2);
  await rejects(repository.load("third"), { fault: "not_found", message: "unknown model: third" });
  for (const name of ["third", "../first", "second/1", "constructor"]) {
    throws(() => repository.resolve(name, ""), { fault: "not_found" });
    await rejects(repository.unload(name), { fault: "not_found" });
  }
});

test("a version is found by number, by label, or by the routes in their shares", async (t) => {
  const { root, repository } = create(t);
  for (const version of [1, 2, 3]) writeIdentity(join(root, `first/${version}`));
  const routes = [
    { version: 1, weight: 3, label: "stable" },
    { version: 2, weight: 1, label: "canary" },
  ];
  write(join(root, "first"), { "serving.json": { versions: "all", routes } });
  await repository.load("first");
  for (const [wanted, version] of [
    ["1", "1"],
    ["3", "3"],
    ["stable", "1"],
    ["canary", "2"],
  ] as const) {
    equal(repository.resolve("first", wanted).version, version);
  }
  for (const wanted of ["4", "01", "beta", "Stable"]) {
    throws(() => repository.resolve("", wanted), {
      fault: "not_found",
      message: `unknown version of first: ${wanted}`,
    });
  }
  const counts: Record<string, number> = {};
  for (let i = 0; i < 2_000; i += 1) {
    const { version } = repository.resolve("", "");
    counts[version] = (counts[version] ?? 0) + 1;
  }
  deepEqual(Object.keys(counts).sort(), ["1", "2"]);
  ok(Math.abs((counts["2"] ?? 0) - 500) < 6 * Math.sqrt(2_000 * 0.25 * 0.75));
});

test("routes move while requests come in, until the model is loaded again", async (t) => {
  const { root, repository } = create(t);
  for (const version of [1, 2]) writeIdentity(join(root, `first/${version}`));
  write(join(root, "first"), { "serving.json": { versions: "all" } });
  await repository.load("first");
  equal(repository.resolve("", "").version, "2");
  const routes = [{ version: "1", weight: 1, label: "old" }];
  repository.route("first", routes);
  const model = repository.resolve("", "");
  deepEqual([model.version, repository.routesOf(model)], ["1", routes]);
  equal(repository.resolve("", "old").version, "1");
  const lost = [{ version: "3", weight: 1, label: undefined }];
  throws(() => repository.route("first", lost), { fault: "not_found" });
  throws(() => repository.route("second", routes), { fault: "not_found" });
  equal(repository.resolve("", "").version, "1");
  await repository.load("first");
  equal(repository.resolve("", "").version, "2");
  throws(() => repository.resolve("", "old"), { fault: "not_found" });
});

test("a model is loaded again from files that have changed", async (t) => {
  const { root, repository } = create(t);
  writeEmbedding(join(root, "first"), { shift: 0.25 });
  await repository.load("first");
  const old = repository.resolve("", "");
  equal(await shiftOf(old), 0.25);
  writeEmbedding(join(root, "first"), { shift: 0.5 });
  await repository.load("first");
  const model = repository.resolve("", "");
  equal(await shiftOf(model), 0.5);
  notEqual(model.revision, old.revision);
  match(model.revision, /^[0-9a-f]{16}$/);
  equal(repository.loaded().length, 1);
});

test("the latest version takes over, and the one before it goes", async (t) => {
  const { root, repository, statesOf } = create(t);
  writeEmbedding(join(root, "first/9"), { shift: 0.25 });
  await repository.load("first");
  writeEmbedding(join(root, "first/10"), { shift: 0.5 });
  await repository.load("first");
  deepEqual(versionsOf(repository), ["10"]);
  equal(await shiftOf(repository.resolve("", "")), 0.5);
  await sleep(100);
  deepEqual(statesOf("first"), [
    ["9", "unavailable", "not served any more"],
    ["10", "ready", ""],
  ]);
});

test("a broken file leaves what serves, and says why", async (t) => {
  const { root, repository, statesOf, metric } = create(t);
  writeEmbedding(join(root, "first"), { shift: 0.25 });
  await repository.load("first");
  const damaged = "onnx/model.onnx: is not an ONNX model, or is damaged";
  writeBroken(join(root, "first/onnx"));
  await rejects(repository.load("first"), { fault: "invalid", message: damaged });
  equal(await shiftOf(repository.resolve("", "")), 0.25);
  deepEqual(statesOf("first"), [["1", "ready", damaged]]);
  // What only ONNX Runtime finds out is for the log.
  const message = "first version 1 cannot be loaded; the log says why";
  const nodes = [{ op: "NoSuchThing", inputs: ["INPUT0"], outputs: ["OUTPUT0"] }];
  write(join(root, "first"), { "onnx/model.onnx": onnxBytes({ ...identity, nodes }) });
  await rejects(repository.load("first"), { fault: "invalid", message });
  deepEqual(statesOf("first"), [["1", "ready", message]]);
  write(join(root, "first"), { "config.json": { hidden_size: "four" } });
  await rejects(repository.load("first"), { fault: "invalid", message: /config\.json/ });
  match(String(statesOf("first")[0]?.[2]), /config\.json/);
  write(join(root, "first"), { "serving.json": { versions: [] } });
  await rejects(repository.load("first"), { fault: "invalid", message: /serving\.json/ });
  equal((await metric("load_failures_total"))?.[0]?.value, 3);
  rmSync(join(root, "first"), { recursive: true });
  await rejects(repository.load("first"), { fault: "invalid" });
  equal(await shiftOf(repository.resolve("first", "1")), 0.25);
  writeEmbedding(join(root, "first"), { shift: 0.5 });
  await repository.load("first");
  deepEqual(statesOf("first"), [["1", "ready", ""]]);
});

test("of several versions, one that is broken takes nobody's place and no requests", async (t) => {
  const { root, repository, statesOf } = create(t);
  writeEmbedding(join(root, "first/1"), { shift: 0.25 });
  writeBroken(join(root, "first/2"));
  write(join(root, "first"), { "serving.json": { versions: "all" } });
  await rejects(repository.load("first"), { fault: "invalid" });
  deepEqual(
    statesOf("first").map(([version, state]) => [version, state]),
    [
      ["1", "ready"],
      ["2", "unavailable"],
    ],
  );
  equal(repository.resolve("", "").version, "1");
  throws(() => repository.resolve("", "2"), { fault: "not_found" });
  writeEmbedding(join(root, "first/2"));
  await repository.load("first");
  writeBroken(join(root, "first/2/onnx"));
  await rejects(repository.load("first"), { fault: "invalid" });
  equal(repository.resolve("", "").version, "2");
});

test("an unloaded model finishes what it accepted, and is not found meanwhile", async (t) => {
  const { root, repository, statesOf } = create(t);
  writeEmbedding(join(root, "first"));
  await repository.load("first");
  const model = repository.resolve("", "");
  const rows = Array.from({ length: 1_500 }, (_, id) => rowOf([id]));
  const accepted = valuesOf(model, rows);
  const unloaded = repository.unload("first");
  await sleep(0);
  throws(() => repository.resolve("", ""), { fault: "not_found" });
  await rejects(repository.unload("first"), { message: "first is not loaded" });
  deepEqual(statesOf("first"), [["1", "unloading", "unloaded"]]);
  equal((await accepted).length, 1_500);
  await unloaded;
  deepEqual(statesOf("first"), [["1", "unavailable", "unloaded"]]);
  await rejects(valuesOf(model, [rowOf([1])]), { fault: "unavailable" });
  equal(repository.isReady, true);
  await repository.load("first");
  deepEqual(statesOf("first"), [["1", "ready", ""]]);
});

test("a version that comes back while it goes is ready, without a reason", async (t) => {
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const { root, repository, statesOf } = create(
    t,
    {},
    {
      createWorker: (setup) => new Worker(program, { eval: true, workerData: { ...setup, gate } }),
    },
  );
  for (const version of [1, 2]) writeEmbedding(join(root, `first/${version}`));
  write(join(root, "first"), { "serving.json": { versions: [1] } });
  await repository.load("first");
  const accepted = valuesOf(repository.resolve("", ""), [rowOf([ids.waits])]);
  write(join(root, "first"), { "serving.json": { versions: [2] } });
  await repository.load("first");
  deepEqual(statesOf("first")[0], ["1", "unloading", "not served any more"]);
  write(join(root, "first"), { "serving.json": { versions: "all" } });
  await repository.load("first");
  Atomics.store(gate, 0, 1);
  Atomics.notify(gate, 0);
  await accepted;
  await sleep(200);
  deepEqual(statesOf("first"), [
    ["1", "ready", ""],
    ["2", "ready", ""],
  ]);
});

test("no more versions serve than there may, however they are loaded", async (t) => {
  const { root, repository, statesOf } = create(t, { MODELS_MAX: "2" });
  for (const name of ["first", "second", "third"]) writeIdentity(join(root, name));
  await repository.load("first");
  const loads = ["second", "third"].map((name) => repository.load(name));
  const [second, third] = await Promise.allSettled(loads);
  deepEqual([second?.status, third?.status], ["fulfilled", "rejected"]);
  deepEqual(statesOf("third"), [["1", "unavailable", "2 models serve already (MODELS_MAX)"]]);
  // One that takes its own place needs no more room.
  await repository.load("second");
  await repository.unload("first");
  await repository.load("third");
  deepEqual(
    repository.loaded().map(({ name }) => name),
    ["third", "second"].sort(),
  );
});

test("every version that is found has a state, loaded or not", async (t) => {
  const { root, repository } = create(t);
  writeIdentity(join(root, "first"));
  for (const version of [1, 2]) writeIdentity(join(root, `second/${version}`));
  await repository.load("second");
  deepEqual(
    repository.versions().map(({ model, version, state, reason }) => {
      return [model, version, state, reason].join(" ");
    }),
    ["first 1 unavailable not loaded", "second 1 unavailable not loaded", "second 2 ready "],
  );
  const ready = repository.versions().find(({ state }) => state === "ready");
  equal(ready?.revision, repository.resolve("second", "").revision);
});

test("what is loaded while everything closes ends too", async (t) => {
  const { root, repository } = create(t);
  writeIdentity(join(root, "first"));
  const loading = rejects(repository.load("first"), { fault: "unavailable" });
  await repository.close();
  await loading;
  equal(repository.loaded().length, 0);
});
