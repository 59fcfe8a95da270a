// The Open Inference Protocol at the edge, as RPC, with models that are functions.

import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { ModelInferRequestSchema } from "../gen/inference/grpc_service_pb.js";
import { MeshError } from "../lib/errors.js";
import type { EmbedOrder } from "../services/gateway/operations/embed.js";
import { callContext } from "./support/call-context.js";
import { openOipEdge } from "./support/oip-edge.js";

function textRequest(texts: readonly (string | Uint8Array)[], over: object = {}) {
  const elements = texts.map((text) =>
    typeof text === "string" ? new TextEncoder().encode(text) : text,
  );
  const input = { name: "text", datatype: "BYTES", shape: [BigInt(texts.length)] };
  return create(ModelInferRequestSchema, {
    modelName: "owner/embedding",
    inputs: [{ ...input, contents: { bytesContents: elements } }],
    ...over,
  } as MessageInitShape<typeof ModelInferRequestSchema>);
}

test("texts become vectors by embedding, which takes its own limits", async () => {
  const { rpc, taken, orders, repository } = await openOipEdge();
  const answer = await rpc.modelInfer(textRequest(["abc", "d"]), callContext());
  deepEqual(
    answer.outputs.map(({ name, datatype, shape }) => [name, datatype, shape]),
    [["sentence_embedding", "FP32", [2n, 3n]]],
  );
  const vectors = new Float32Array(new Uint8Array(answer.rawOutputContents[0] ?? []).buffer);
  deepEqual([...vectors], [3, 0.5, -1, 1, 0.5, -1]);
  equal(answer.modelVersion, "1");
  deepEqual(taken, []);
  equal(repository.ran.length, 0);
  const { inputs, inputsMax, normalize, truncate, dimensions } = orders[0] as EmbedOrder;
  deepEqual(
    { inputs, inputsMax, normalize, truncate, dimensions },
    {
      inputs: ["abc", "d"],
      inputsMax: 4,
      normalize: true,
      truncate: undefined,
      dimensions: undefined,
    },
  );
});

test("texts that are none are refused before they are embedded", async () => {
  const { rpc, orders } = await openOipEdge();
  const notUtf8 = textRequest(["a", Uint8Array.of(0xff)]);
  await rejects(rpc.modelInfer(notUtf8, callContext()), {
    fault: "invalid",
    message: "inputs[0]: element 1 is not UTF-8",
  });
  const flat = { name: "text", datatype: "BYTES", shape: [1n, 2n] };
  const contents = { bytesContents: [Uint8Array.of(97), Uint8Array.of(98)] };
  const wide = textRequest([], { inputs: [{ ...flat, contents }] });
  await rejects(rpc.modelInfer(wide, callContext()), { fault: "invalid" });
  const two = textRequest(["a"], { outputs: [{ name: "a" }, { name: "b" }] });
  await rejects(rpc.modelInfer(two, callContext()), { fault: "invalid" });
  equal(orders.length, 0);
});

test("ids of a text model cost the tokens they are", async () => {
  const { rpc, taken, repository } = await openOipEdge();
  const ids = (name: string) => ({
    name,
    datatype: "INT64",
    shape: [2n, 3n],
    contents: { int64Contents: [1n, 2n, 3n, 4n, 5n, 6n] },
  });
  const inputs = [ids("input_ids"), ids("attention_mask")];
  await rpc.modelInfer({ modelName: "owner/embedding", inputs }, callContext());
  deepEqual(taken, ["request", "6 tokens"]);
  equal(repository.ran[0]?.options.caller, "ip:192.0.2.1");
});

test("a stream at the edge goes on after an error, and texts go through it too", async () => {
  const { oip } = await openOipEdge();
  async function* requests() {
    yield textRequest(["a"], { id: "1" });
    yield textRequest([Uint8Array.of(0xff)], { id: "2" });
    yield textRequest(["a"], { id: "3" });
  }
  const stream = oip.handlers.modelStreamInfer?.(requests(), callContext());
  const said: [string, boolean][] = [];
  for await (const { errorMessage = "", inferResponse } of stream as AsyncIterable<{
    errorMessage?: string;
    inferResponse: { id: string };
  }>) {
    said.push([inferResponse.id, errorMessage === ""]);
  }
  deepEqual(said, [
    ["1", true],
    ["2", false],
    ["3", true],
  ]);
});

test("a request's timeout bounds it at the edge", async () => {
  const { rpc } = await openOipEdge();
  const request = {
    modelName: "slow",
    parameters: { timeout: { parameterChoice: { case: "int64Param", value: 5_000n } } },
    inputs: [{ name: "INPUT0", datatype: "FP32", shape: [1n], contents: { fp32Contents: [1] } }],
  } as MessageInitShape<typeof ModelInferRequestSchema>;
  await rejects(rpc.modelInfer(request, callContext()), (error) => {
    ok(error instanceof MeshError);
    deepEqual([error.fault, error.message], ["unavailable", "Request timeout expired"]);
    return true;
  });
});
