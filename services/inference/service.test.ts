import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { InferenceService, Task } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError } from "../../lib/errors.js";
import type { Client } from "../../lib/rpc/call.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { callContext } from "../../test/support/call-context.js";
import { inferenceConfig, repositoryOf } from "../../test/support/inference.js";
import { tokenVector } from "../../test/support/tiny-graphs.js";
import { temporaryFolder, writeTinyModels } from "../../test/support/tiny-models.js";
import type { Repository } from "./models/repository.js";
import { createInference } from "./service.js";

const names = ["embedding", "classifier", "cross_encoder", "splade", "simple"];
const releases: (() => unknown)[] = [];
const suite = { after: (release: () => unknown) => void releases.push(release) };
let inference: Client<typeof InferenceService>;
let repository: Repository;

before(async () => {
  const root = temporaryFolder(suite as never);
  writeTinyModels(root);
  repository = repositoryOf(suite as never, root, "embedding", {
    env: { MODEL_ID: "owner/embedding", MODEL_PATH: join(root, "embedding") },
  });
  for (const name of names) await repository.load(name);
  const config = inferenceConfig({ INFERENCE_CALL_SEQUENCES_MAX: "3" });
  const bindings = [createInference(config, repository)];
  const channel = createLocalChannel({ role: "inference", bindings, interceptors: [] });
  inference = channel.client(InferenceService);
});
after(async () => {
  for (const release of releases.reverse()) await release();
});

const id = (value: number) => ({ ids: [value] });

test("vectors are little-endian float32 rows, in the order of the sequences", async () => {
  const sequences = [id(5), id(6)];
  const answer = await inference.embed({ sequences, normalize: false }, callContext());
  const { dimensions, ran } = answer;
  deepEqual([ran?.model, ran?.version], ["owner/embedding", "1"]);
  ok(ran?.revision);
  const bytes = Buffer.from(answer.vectors);
  const values = Array.from({ length: 2 * dimensions }, (_, at) => bytes.readFloatLE(at * 4));
  deepEqual(values, [...tokenVector(5, 0), ...tokenVector(6, 0)]);
});

test("a vector keeps its length only when the call says so", async () => {
  const lengthOf = async (normalize?: boolean): Promise<number> => {
    const asked = normalize === undefined ? {} : { normalize };
    const { vectors } = await inference.embed({ sequences: [id(5)], ...asked }, callContext());
    return Math.hypot(...new Float32Array(vectors.slice().buffer));
  };
  ok(Math.abs((await lengthOf()) - 1) < 1e-6);
  ok(Math.abs((await lengthOf(true)) - 1) < 1e-6);
  ok(Math.abs((await lengthOf(false)) - 1) > 1e-3);
});

for (const [what, request, fault] of [
  ["no sequence", { sequences: [] }, "empty"],
  ["an empty sequence", { sequences: [id(1), { ids: [] }] }, "empty"],
  ["more sequences than a call may have", { sequences: [1, 2, 3, 4].map(id) }, "invalid"],
  [
    "more tokens than the model reads",
    { sequences: [{ ids: new Array(5_000).fill(1) }] },
    "invalid",
  ],
  ["an id outside the vocabulary", { sequences: [id(30_522)] }, "invalid"],
  ["the largest id there is", { sequences: [id(0xffff_ffff)] }, "invalid"],
  ["a third text", { sequences: [{ ids: [1], typeIds: [2] }] }, "invalid"],
  ["fewer types than ids", { sequences: [{ ids: [1, 2], typeIds: [0] }] }, "invalid"],
  ["an unknown model", { job: { model: "huge" }, sequences: [id(1)] }, "not_found"],
  ["an unknown version", { job: { version: "7" }, sequences: [id(1)] }, "not_found"],
  ["a model of tensors", { job: { model: "simple" }, sequences: [id(1)] }, "invalid"],
  ["a classifier", { job: { model: "classifier" }, sequences: [id(1)] }, "invalid"],
] as const) {
  test(`${what} is ${fault}`, async () => {
    await rejects(inference.embed(structuredClone(request) as never, callContext()), { fault });
  });
}

test("the default model answers to its name, to its name without the owner, and to none", async () => {
  for (const model of ["owner/embedding", "embedding", ""]) {
    const { ran } = await inference.embed({ job: { model }, sequences: [id(1)] }, callContext());
    equal(ran?.model, "owner/embedding");
  }
});

test("a call whose caller has left already costs nothing", async () => {
  const signal = AbortSignal.abort(new MeshError("cancelled", "the caller left"));
  const before = repository.resolve("", "").statistics.inferenceCount;
  const call = inference.embed({ sequences: [id(1)] }, callContext({ signal }));
  await rejects(call, { fault: "cancelled" });
  equal(repository.resolve("", "").statistics.inferenceCount, before);
});

test("scores are probabilities unless the call asks for what the model said", async () => {
  const job = { model: "classifier" };
  const sequences = [id(5), id(9)];
  const { labels, scores } = await inference.classify({ job, sequences }, callContext());
  equal(scores.length, 2 * labels.length);
  for (const row of [0, 1]) {
    const part = scores.slice(row * labels.length, (row + 1) * labels.length);
    ok(Math.abs(part.reduce((sum, score) => sum + score, 0) - 1) < 1e-5);
  }
  const raw = await inference.classify({ job, sequences, raw: true }, callContext());
  ok(raw.scores.some((score) => score < 0 || score > 1));
});

test("a cross-encoder has one score for a pair, between 0 and 1", async () => {
  const job = { model: "cross_encoder" };
  const pair = { ids: [5, 6, 7], typeIds: [0, 0, 1] };
  const { labels, scores } = await inference.classify({ job, sequences: [pair] }, callContext());
  deepEqual([labels.length, scores.length], [1, 1]);
  const [score = -1] = scores;
  ok(score > 0 && score < 1);
});

test("an embedding model without a head has no scores", async () => {
  const call = inference.classify({ sequences: [id(1)], head: "none" }, callContext());
  await rejects(call, { fault: "invalid" });
});

test("a sparse vector has ascending ids and weights above 0", async () => {
  const job = { model: "splade" };
  const { vectors } = await inference.embedSparse({ job, sequences: [id(5)] }, callContext());
  const [{ ids, weights } = { ids: [], weights: [] }] = vectors;
  equal(ids.length, weights.length);
  deepEqual(
    ids,
    [...ids].sort((a, b) => a - b),
  );
  ok(weights.every((weight) => weight > 0));
});

test("models are described, the default one first", async () => {
  const { models } = await inference.listModels({}, callContext());
  deepEqual(
    models.map(({ name, isDefaultModel }) => [name, isDefaultModel]),
    ["owner/embedding", ...names.slice(1)].map((name, index) => [name, index === 0]),
  );
  deepEqual(
    models.map(({ task }) => task),
    [Task.EMBEDDING, Task.CLASSIFICATION, Task.RERANKING, Task.SPARSE_EMBEDDING, Task.UNSPECIFIED],
  );
  for (const model of models) {
    deepEqual([model.version, model.weight, model.isHealthy, model.device], ["1", 1, true, "cpu"]);
    equal(model.queueMax, 512);
  }
});
