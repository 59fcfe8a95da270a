import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { InferenceService } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { readConfig } from "../../lib/config.js";
import { MeshError } from "../../lib/errors.js";
import type { ModelFolder } from "../../lib/model-folder.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { callContext } from "../../test/support/call-context.js";
import { BatchRunner } from "./batch-runner.js";
import { inferenceSchema } from "./config.js";
import { createInferenceMetrics } from "./metrics.js";
import type { Batch, Model } from "./model.js";
import { createInference } from "./service.js";

const folder: ModelFolder = {
  id: "owner/tiny",
  path: "",
  dimensions: 2,
  tokensMax: 4,
  vocabularySize: 10,
  pooling: "cls",
};
const config = readConfig(inferenceSchema, {
  INFERENCE_CALL_SEQUENCES_MAX: "3",
  INFERENCE_QUEUE_MAX: "7",
});

/** Answers [first id, 1 if normalized] for each sequence. */
function createService() {
  const batches: Batch[] = [];
  const model: Model = {
    idleCount: 1,
    onIdle: () => {},
    async run(batch) {
      batches.push(batch);
      return Float32Array.from(
        batch.sequences.flatMap((ids, row) => [ids[0] ?? -1, batch.normalize[row] ? 1 : 0]),
      );
    },
  };
  const metrics = createInferenceMetrics(new Registry());
  const runner = new BatchRunner(config, { model, dimensions: 2, metrics });
  const bindings = [createInference(config, { folder, runner })];
  const channel = createLocalChannel({ role: "inference", bindings, interceptors: [] });
  return { batches, inference: channel.client(InferenceService) };
}

test("vectors are little-endian float32 rows, in the order of the sequences", async () => {
  const { inference } = createService();
  const sequences = [{ ids: [5, 1, 1] }, { ids: [6] }];
  const answer = await inference.embed({ sequences }, callContext());
  equal(answer.model, "owner/tiny");
  equal(answer.dimensions, 2);
  const bytes = Buffer.from(answer.vectors);
  deepEqual(
    [0, 4, 8, 12].map((at) => bytes.readFloatLE(at)),
    [5, 1, 6, 1],
  );
});

test("a vector keeps its length only when the call says so", async () => {
  const { inference, batches } = createService();
  await inference.embed({ sequences: [{ ids: [1] }] }, callContext());
  await inference.embed({ sequences: [{ ids: [1] }], normalize: false }, callContext());
  deepEqual(
    batches.map(({ normalize }) => normalize),
    [[true], [false]],
  );
});

const id = (value: number) => ({ ids: [value] });
for (const [what, request, fault] of [
  ["no sequence", { sequences: [] }, "empty"],
  ["an empty sequence", { sequences: [id(1), { ids: [] }] }, "empty"],
  ["more sequences than a call may have", { sequences: [1, 2, 3, 4].map(id) }, "invalid"],
  ["more tokens than the model reads", { sequences: [{ ids: [1, 2, 3, 4, 5] }] }, "invalid"],
  ["an id outside the vocabulary", { sequences: [{ ids: [1, 10] }] }, "invalid"],
  ["the largest id there is", { sequences: [id(0xffff_ffff)] }, "invalid"],
  ["a model of another name", { model: "huge", sequences: [id(1)] }, "not_found"],
] as const) {
  test(`${what} never reaches the model`, async () => {
    const { inference, batches } = createService();
    const sequences = request.sequences.map(({ ids }) => ({ ids: [...ids] }));
    await rejects(inference.embed({ ...request, sequences }, callContext()), { fault });
    equal(batches.length, 0);
  });
}

test("the model answers to its id, to its id without the owner, and to none", async () => {
  const { inference } = createService();
  for (const model of ["owner/tiny", "tiny", ""]) {
    const answer = await inference.embed({ model, sequences: [id(1)] }, callContext());
    equal(answer.model, "owner/tiny");
  }
});

test("a call whose caller has left already costs nothing", async () => {
  const { inference, batches } = createService();
  const signal = AbortSignal.abort(new MeshError("cancelled", "the caller left"));
  const call = inference.embed({ sequences: [id(1)] }, callContext({ signal }));
  await rejects(call, { fault: "cancelled" });
  equal(batches.length, 0);
});

test("the model is described with its limits", async () => {
  const { models } = await createService().inference.listModels({}, callContext());
  equal(models.length, 1);
  const { id: name, tokensMax, vocabularySize, queueMax, pooling } = models[0] ?? {};
  deepEqual([name, tokensMax, vocabularySize, queueMax, pooling], ["owner/tiny", 4, 10, 7, "cls"]);
});
