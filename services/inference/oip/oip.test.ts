import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Priority } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import {
  GRPCInferenceService,
  ModelInferRequestSchema,
  type ModelStreamInferResponse,
} from "../../../gen/inference/grpc_service_pb.js";
import { systemClock } from "../../../lib/clock.js";
import { createLocalChannel } from "../../../lib/rpc/local-channel.js";
import { callContext } from "../../../test/support/call-context.js";
import { FakeRepository } from "../../../test/support/fake-repository.js";
import { createOip } from "./oip.js";

function open({ isControlAllowed = true } = {}) {
  const repository = new FakeRepository();
  const binding = createOip({ repository, clock: systemClock, version: "1.2.3", isControlAllowed });
  const channel = createLocalChannel({ role: "inference", bindings: [binding], interceptors: [] });
  return { repository, binding, oip: channel.client(GRPCInferenceService) };
}

const numbers = Array.from({ length: 16 }, (_, index) => index);

function simple(over: MessageInitShape<typeof ModelInferRequestSchema> = {}) {
  return create(ModelInferRequestSchema, {
    modelName: "simple",
    id: "7",
    inputs: ["INPUT0", "INPUT1"].map((name) => ({
      name,
      datatype: "INT32",
      shape: [1n, 16n],
      contents: { intContents: numbers },
    })),
    ...(over as object),
  });
}

test("tensors go in typed and come out raw", async () => {
  const { oip } = open();
  const answer = await oip.modelInfer(simple(), callContext());
  equal(answer.modelName, "simple");
  equal(answer.modelVersion, "1");
  equal(answer.id, "7");
  deepEqual(
    answer.outputs.map(({ name, datatype, shape }) => [name, datatype, shape]),
    [
      ["OUTPUT0", "INT32", [1n, 16n]],
      ["OUTPUT1", "INT32", [1n, 16n]],
    ],
  );
  const [sum, difference] = answer.rawOutputContents;
  deepEqual(
    [...new Int32Array(new Uint8Array(sum ?? []).buffer)],
    numbers.map((n) => 2 * n),
  );
  ok(difference?.every((byte) => byte === 0));
});

test("only the outputs that are asked for come back", async () => {
  const { oip } = open();
  const answer = await oip.modelInfer(simple({ outputs: [{ name: "OUTPUT1" }] }), callContext());
  deepEqual(
    answer.outputs.map(({ name }) => name),
    ["OUTPUT1"],
  );
  equal(answer.rawOutputContents.length, 1);
});

test("priority and caller reach the model", async () => {
  const { oip, repository } = open();
  const parameters = {
    priority: { parameterChoice: { case: "uint64Param", value: 2n } },
    arrowmesh_caller: { parameterChoice: { case: "stringParam", value: "ip:1" } },
  } as const;
  await oip.modelInfer(simple({ parameters }), callContext());
  equal(repository.ran[0]?.options.priority, Priority.BULK);
  equal(repository.ran[0]?.options.caller, "ip:1");
});

test("a request whose own timeout passes is UNAVAILABLE, in Triton's words", async () => {
  const { oip } = open();
  const request = {
    modelName: "slow",
    parameters: { timeout: { parameterChoice: { case: "int64Param", value: 5_000n } } },
    inputs: [{ name: "INPUT0", datatype: "FP32", shape: [1n], contents: { fp32Contents: [1] } }],
  } as const;
  await rejects(oip.modelInfer(request as never, callContext()), {
    fault: "unavailable",
    message: "Request timeout expired",
  });
});

test("raw ids of a text model are those that its tokenizer could have made", async () => {
  const { oip, repository } = open();
  const infer = (shape: readonly bigint[], ids: readonly bigint[]) => {
    const input = { datatype: "INT64", shape: [...shape], contents: { int64Contents: [...ids] } };
    const inputs = ["input_ids", "attention_mask"].map((name) => ({ ...input, name }));
    return oip.modelInfer({ modelName: "owner/embedding", inputs }, callContext());
  };
  await infer([1n, 2n], [0n, 99n]);
  const many = Array.from({ length: 33 * 256 }, () => 1n);
  const cases: readonly (readonly [readonly bigint[], readonly bigint[], RegExp])[] = [
    [[1n, 1n], [100n], /id 100 is not within 0\.\.99/],
    [[1n, 1n], [-1n], /id -1 /],
    [[2n], [1n, 2n], /expected \[sequences, 1\.\.256 tokens\]/],
    [[1n, 257n], many.slice(0, 257), /expected \[sequences/],
    [[33n, 256n], many, /more than 8192 tokens/],
    [[0n, 3n], [], /not within 1\.\./],
  ];
  for (const [shape, ids, message] of cases) {
    await rejects(infer(shape, ids), { fault: "invalid", message });
  }
  const uneven = [tensor("input_ids", 2n), tensor("attention_mask", 1n)];
  await rejects(oip.modelInfer({ modelName: "owner/embedding", inputs: uneven }, callContext()), {
    fault: "invalid",
    message: /\[1,1\] differs from \[1,2\] of the first input/,
  });
  equal(repository.ran.length, 1);
});

function tensor(name: string, tokens: bigint) {
  const int64Contents = Array.from({ length: Number(tokens) }, () => 1n);
  return { name, datatype: "INT64", shape: [1n, tokens], contents: { int64Contents } };
}

test("a stream answers each request in order, errors in their place", async () => {
  const { binding } = open();
  async function* requests() {
    yield simple({ id: "a" });
    yield simple({ id: "b", modelName: "none" });
    yield simple({ id: "c" });
  }
  const stream = binding.handlers.modelStreamInfer?.(requests(), callContext());
  const answers: ModelStreamInferResponse[] = [];
  for await (const answer of stream as AsyncIterable<ModelStreamInferResponse>)
    answers.push(answer);
  deepEqual(
    answers.map(({ inferResponse, errorMessage = "" }) => [inferResponse?.id, errorMessage]),
    [
      ["a", ""],
      ["b", "unknown model: none"],
      ["c", ""],
    ],
  );
  ok(answers.every(({ inferResponse }) => inferResponse?.parameters.triton_final_response));
});

test("metadata and configuration name the tensors", async () => {
  const { oip } = open();
  const metadata = await oip.modelMetadata({ name: "simple" }, callContext());
  deepEqual(metadata.versions, ["1"]);
  equal(metadata.platform, "onnxruntime_onnx");
  deepEqual(
    metadata.inputs.map(({ name, shape }) => [name, shape]),
    [
      ["INPUT0", [1n, 16n]],
      ["INPUT1", [1n, 16n]],
    ],
  );
  const { config } = await oip.modelConfig({ name: "owner/embedding" }, callContext());
  equal(config?.backend, "onnxruntime");
  equal(config?.parameters.tokens_max?.stringValue, "256");
  deepEqual(config?.input[0]?.dims, [-1n, -1n]);
  equal((await oip.serverMetadata({}, callContext())).version, "1.2.3");
  await rejects(oip.modelMetadata({ name: "none" }, callContext()), { fault: "not_found" });
  await rejects(oip.modelMetadata({ name: "\ud800" }, callContext()), { fault: "invalid" });
});

test("ready is what answers", async () => {
  const { oip, repository } = open();
  const isReady = async (name: string, version = "") =>
    (await oip.modelReady({ name, version }, callContext())).ready;
  equal(await isReady("simple"), true);
  equal(await isReady("simple", "stable"), true);
  equal(await isReady("simple", "9"), false);
  equal(await isReady("none"), false);
  equal((await oip.serverReady({}, callContext())).ready, true);
  repository.isHealthy = false;
  equal((await oip.serverReady({}, callContext())).ready, false);
  equal(await isReady("simple"), false);
});

test("statistics are of one model or of all", async () => {
  const { oip } = open();
  const all = await oip.modelStatistics({}, callContext());
  deepEqual(all.modelStats.map(({ name }) => name).sort(), [
    "echo",
    "owner/embedding",
    "simple",
    "slow",
  ]);
  const { modelStats } = await oip.modelStatistics({ name: "simple" }, callContext());
  equal(modelStats.length, 1);
  equal(modelStats[0]?.inferenceCount, 3n);
  equal(modelStats[0]?.inferenceStats?.queue?.ns, 300n);
  await rejects(oip.modelStatistics({ name: "none" }, callContext()), { fault: "not_found" });
});

test("models are unloaded, listed and loaded", async () => {
  const { oip } = open();
  const stateOf = async (ready = false) => {
    const { models } = await oip.repositoryIndex({ ready }, callContext());
    return models.find(({ name }) => name === "simple")?.state;
  };
  equal(await stateOf(), "READY");
  await oip.repositoryModelUnload({ modelName: "simple" }, callContext());
  equal(await stateOf(), "UNAVAILABLE");
  equal(await stateOf(true), undefined);
  await oip.repositoryModelLoad({ modelName: "simple" }, callContext());
  equal(await stateOf(), "READY");
  const parameters = { config: { parameterChoice: { case: "stringParam", value: "{}" } } } as const;
  const overridden = oip.repositoryModelLoad({ modelName: "simple", parameters }, callContext());
  await rejects(overridden, { fault: "unsupported" });
  const named = oip.repositoryIndex({ repositoryName: "other" }, callContext());
  await rejects(named, { fault: "unsupported" });
});

test("models are not changed where that is switched off", async () => {
  const { oip } = open({ isControlAllowed: false });
  const change = { modelName: "simple" };
  await rejects(oip.repositoryModelLoad(change, callContext()), { fault: "forbidden" });
  await rejects(oip.repositoryModelUnload(change, callContext()), { fault: "forbidden" });
});

test("what is not here says so", async () => {
  const { oip } = open();
  deepEqual((await oip.systemSharedMemoryStatus({}, callContext())).regions, {});
  await rejects(oip.systemSharedMemoryRegister({}, callContext()), { fault: "unsupported" });
  await rejects(oip.traceSetting({}, callContext()), { fault: "unsupported" });
  await rejects(oip.logSettings({}, callContext()), { fault: "unsupported" });
});
