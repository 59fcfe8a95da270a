import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import {
  ClassifyStreamRequestSchema,
  EmbedStreamRequestSchema,
  GatewayService,
  Priority,
  Task as PublicTask,
  TruncationSide,
  VectorEncoding,
} from "../../gen/arrowmesh/gateway/v1/gateway_pb.js";
import { Task, Priority as Urgency } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import {
  TruncationSide as Side,
  TokenizerService,
} from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { systemClock } from "../../lib/clock.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { callContext } from "../../test/support/call-context.js";
import { collect, each } from "../../test/support/messages.js";
import { createFakePath, served } from "./operations/fake-peers.js";
import { createTokenizerGateway } from "./rpc/tokenizer.js";
import { createGateway } from "./service.js";

const config = { inputsMax: 4, streamWindow: 4 };
const judge = { ...served, name: "judge", task: Task.CLASSIFICATION, labels: ["low", "high"] };
const sparse = { ...served, name: "sparse", task: Task.SPARSE_EMBEDDING };
const others = [judge, sparse].map((model) => ({ ...model, isDefaultModel: false }));

/** The services over peers that write down what they are asked. */
function open() {
  const path = createFakePath();
  path.peers.served = [served, ...others];
  const deps = { ...path, clock: systemClock };
  const gateway = createGateway(config, deps);
  const bindings = [gateway, createTokenizerGateway(config, deps)];
  const channel = createLocalChannel({ role: "test", bindings, interceptors: [] });
  interface StreamAnswer {
    readonly index: bigint;
    readonly result: { readonly case: string; readonly value: unknown };
  }
  const stream = <I extends DescMessage>(
    name: "embedStream" | "classifyStream",
    schema: I,
    requests: readonly MessageInitShape<I>[],
  ) => {
    const messages = each(requests.map((request) => create(schema, request)));
    // Both streams answer alike.
    const answers = gateway.handlers[name]?.(
      messages,
      callContext(),
    ) as AsyncIterable<StreamAnswer>;
    return collect(answers);
  };
  return {
    ...path,
    ...{ stream, rpc: channel.client(GatewayService), tokens: channel.client(TokenizerService) },
  };
}

test("inputs of any kind reach the tokenizer as what they are", async () => {
  const { rpc, peers } = open();
  const { embeddings, inputTokens } = await rpc.embed(
    {
      mixedInputs: [
        { kind: { case: "text", value: "abc" } },
        { kind: { case: "pair", value: { first: "ab", second: "cd" } } },
        { kind: { case: "ids", value: { ids: [5, 6] } } },
      ],
    },
    callContext(),
  );
  deepEqual(
    peers.encodes[0]?.inputs.map(({ kind }) => kind.case),
    ["text", "pair", "ids"],
  );
  deepEqual(
    embeddings.map(({ inputTokens }) => inputTokens),
    [3, 4, 2],
  );
  equal(inputTokens, 9);
});

test("inputs are given one way", async () => {
  const { rpc } = open();
  const text = { kind: { case: "text", value: "a" } } as const;
  await rejects(rpc.embed({ inputs: ["a"], mixedInputs: [text] }, callContext()), {
    fault: "invalid",
    message: "mixed_inputs cannot stand beside inputs",
  });
  await rejects(rpc.embed({ mixedInputs: [text, {}] }, callContext()), {
    message: "mixed_inputs[1] is not set",
  });
  await rejects(rpc.embed({}, callContext()), { fault: "empty" });
});

test("what a caller says about cutting reaches the tokenizer, and urgency the model", async () => {
  const { rpc, peers } = open();
  const said = {
    ...{ truncate: true, truncationSide: TruncationSide.LEFT, tokensMax: 7, promptName: "q" },
    priority: Priority.BULK,
  };
  await rpc.embed({ inputs: ["abc"], ...said }, callContext());
  await rpc.embed({ inputs: ["abcd"] }, callContext());
  const [first, second] = peers.encodes;
  deepEqual(
    [first?.truncate, first?.truncationSide, first?.tokensMax, first?.promptName],
    [true, Side.LEFT, 7, "q"],
  );
  deepEqual([second?.truncate, second?.truncationSide], [undefined, Side.UNSPECIFIED]);
  deepEqual(
    peers.jobs.map(({ priority }) => priority),
    [Urgency.BULK, Urgency.INTERACTIVE],
  );
  await rejects(rpc.embed({ inputs: ["a"], tokensMax: 0 }, callContext()), { fault: "invalid" });
});

test("token vectors and sparse vectors say what they cost", async () => {
  const { rpc } = open();
  const inputs = ["ab", "c"];
  const asValues = await rpc.embedTokens({ inputs }, callContext());
  deepEqual([asValues.model, asValues.version, asValues.dimensions], ["m", "1", 1]);
  deepEqual([asValues.usage?.inputTokens, asValues.usage?.characters], [3, 3]);
  deepEqual(
    asValues.tokenVectors.map(({ values }) => values),
    [[97, 98], [99]],
  );
  const encoding = VectorEncoding.FLOAT32_LE;
  const { tokenVectors } = await rpc.embedTokens({ inputs, encoding }, callContext());
  deepEqual(tokenVectors[0]?.float32Le.byteLength, 8);
  const { embeddings, model } = await rpc.embedSparse({ inputs }, callContext());
  equal(model, "sparse");
  deepEqual(
    embeddings.map(({ ids, weights, inputTokens }) => [ids, weights, inputTokens]),
    [
      [[97], [1], 2],
      [[99], [1], 1],
    ],
  );
});

test("labels, ranks and cosines come back, as many as are wanted", async () => {
  const { rpc } = open();
  const all = await rpc.classify({ inputs: ["abc"] }, callContext());
  equal(all.classifications[0]?.scores.length, 2);
  const best = await rpc.classify({ inputs: ["abc"], labelsMax: 1 }, callContext());
  deepEqual(
    best.classifications[0]?.scores.map(({ label, score }) => [label, score]),
    [["high", 4]],
  );
  await rejects(rpc.classify({ inputs: ["a"], labelsMax: 0 }, callContext()), {
    fault: "invalid",
  });

  const rerank = { query: "abc", texts: ["d", "abc", "efgh"] };
  const { ranks, model, usage } = await rpc.rerank({ ...rerank, ranksMax: 2 }, callContext());
  deepEqual([model, usage?.inputTokens], ["m", 11]);
  deepEqual(
    ranks.map(({ index }) => index),
    [2, 1],
  );
  const { cosines } = await rpc.compare({ source: "abc", texts: ["abc", "d"] }, callContext());
  equal(cosines.length, 2);
  await rejects(rpc.compare({ source: "abc" }, callContext()), { fault: "empty" });
  const many = { source: "a", texts: ["a", "b", "c", "d"] };
  equal((await rpc.compare(many, callContext())).cosines.length, 4);
  await rejects(rpc.compare({ ...many, texts: [...many.texts, "e"] }, callContext()), {
    fault: "invalid",
  });
});

test("a stream answers each request, and outlives a bad one", async () => {
  const { stream, peers } = open();
  const ids = { kind: { case: "ids" as const, value: { ids: [1, 2] } } };
  const embedded = await stream("embedStream", EmbedStreamRequestSchema, [
    { input: "abc" },
    { mixedInput: ids },
    { input: "" },
    { input: "a", mixedInput: ids },
    { input: "de" },
  ]);
  deepEqual(
    embedded.map(({ index, result }) => [index, result.case]),
    [
      [0n, "embedding"],
      [1n, "embedding"],
      [2n, "error"],
      [3n, "error"],
      [4n, "embedding"],
    ],
  );
  ok(peers.jobs.every(({ priority }) => priority === Urgency.BULK));
  const classified = await stream("classifyStream", ClassifyStreamRequestSchema, [
    { request: { inputs: ["abc", "d"] } },
    {},
    { request: { model: "nothing", inputs: ["abc"] } },
  ]);
  deepEqual(
    classified.map(({ result }) => result.case),
    ["classified", "error", "error"],
  );
});

test("models are listed without what only the mesh has to know", async () => {
  const { rpc, peers } = open();
  const { models } = await rpc.listModels({}, callContext());
  deepEqual(
    models.map(({ name, task }) => [name, task]),
    [
      ["m", PublicTask.EMBEDDING],
      ["judge", PublicTask.CLASSIFICATION],
      ["sparse", PublicTask.SPARSE_EMBEDDING],
    ],
  );
  deepEqual(peers.asked, ["list"]);
});

test("the tokenizer at the edge costs a request, and is asked for the version that is meant", async () => {
  const { tokens, peers } = open();
  const { encodings } = await tokens.encode({ texts: ["abc"] }, callContext());
  deepEqual(encodings[0]?.ids, [97, 98, 99]);
  deepEqual(peers.asked, ["take", "list", "encode 1 of m@1"]);
  equal(peers.encodes[0]?.revision, "r1");
  peers.refuse = "requests";
  await rejects(tokens.count({ texts: ["abc"] }, callContext()), { fault: "limited" });
  peers.refuse = undefined;
  await rejects(tokens.decode({ model: "nothing" }, callContext()), { fault: "not_found" });
});
