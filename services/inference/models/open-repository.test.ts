import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { Registry } from "prom-client";
import { systemClock } from "../../../lib/clock.js";
import { ConfigError } from "../../../lib/config.js";
import { createLog } from "../../../lib/log.js";
import { inferenceConfig, rowOf, valuesOf } from "../../../test/support/inference.js";
import {
  temporaryFolder,
  writeBroken,
  writeEmbedding,
  writeIdentity,
} from "../../../test/support/tiny-models.js";
import { openRepository } from "./open-repository.js";
import type { Repository } from "./repository.js";

async function open(
  t: TestContext,
  root: string,
  env: Readonly<Record<string, string>> = {},
): Promise<Repository> {
  const config = inferenceConfig({
    MODEL_PATH: join(root, "first"),
    MODEL_ID: "owner/first",
    MODEL_REPOSITORY: join(root, "models"),
    ...env,
  });
  const platform = { clock: systemClock, log: createLog("silent"), registry: new Registry() };
  return await openRepository(config, { ...platform, defer: (release) => t.after(release) });
}

test("the default model comes first, then every other one that can be loaded", async (t) => {
  const root = temporaryFolder(t);
  writeEmbedding(join(root, "first"));
  writeBroken(join(root, "models/a"));
  writeIdentity(join(root, "models/b/1"));
  writeIdentity(join(root, "models/b/2"));
  writeIdentity(join(root, "models/c"));
  const repository = await open(t, root);
  deepEqual(
    repository.loaded().map(({ name, version }) => `${name} ${version}`),
    ["owner/first 1", "b 2", "c 1"],
  );
  equal(repository.isReady, true);
  const broken = repository.versions().find(({ model }) => model === "a");
  equal(broken?.state, "unavailable");
  ok(broken.reason.length > 0);
});

for (const [what, writeModel, env, message] of [
  ["is not there", () => {}, {}, /MODEL_PATH=.*first: .*does not exist/],
  ["is broken", writeBroken, {}, /MODEL_PATH=.*first: .*not an ONNX model/],
  ["has no such weights", writeEmbedding, { DTYPE: "int8" }, /MODEL_PATH=.*: there are no int8/],
  [
    "does not fit ONNX Runtime",
    writeEmbedding,
    { INFERENCE_PROVIDERS: "nonsense" },
    /MODEL_PATH=.*: .*nonsense/,
  ],
] as const) {
  test(`a default model that ${what} is a bad configuration, and says why`, async (t) => {
    const root = temporaryFolder(t);
    writeModel(join(root, "first"));
    await rejects(open(t, root, env), (error) => {
      ok(error instanceof ConfigError);
      ok(message.test(error.message), error.message);
      return true;
    });
  });
}

test("how a machine is shared is measured once, and known when the model is loaded again", async (t) => {
  const root = temporaryFolder(t);
  writeEmbedding(join(root, "first"));
  const repository = await open(t, root, { INFERENCE_WORKERS: "0" });
  const { split } = repository.resolve("", "");
  ok(split.workers >= 1 && split.threads >= 1);
  const begin = performance.now();
  await repository.load("");
  const took = performance.now() - begin;
  // A measurement takes 400 ms for each way.
  ok(took < 4_000, `${took} ms`);
  const model = repository.resolve("", "");
  deepEqual(model.split, split);
  equal((await valuesOf(model, [rowOf([5])])).length, 1);
});
