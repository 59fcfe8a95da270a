import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { create, type DescMessage, type MessageInitShape } from "@bufbuild/protobuf";
import { Priority, Task } from "../../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { TruncationSide } from "../../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import {
  Embed,
  EmbedRequestSchema,
  EmbedSparseRequestSchema,
  Info,
  ModelType,
  Predict,
  Rerank,
  RerankStreamRequestSchema,
  TruncationDirection,
} from "../../../../gen/tei/v1/tei_pb.js";
import { systemClock } from "../../../../lib/clock.js";
import { MeshError } from "../../../../lib/errors.js";
import type { CallContext } from "../../../../lib/rpc/call.js";
import { createLocalChannel } from "../../../../lib/rpc/local-channel.js";
import { callContext } from "../../../../test/support/call-context.js";
import { collect, each } from "../../../../test/support/messages.js";
import { createFakePath, served } from "../../operations/fake-peers.js";
import { createTeiServices } from "./services.js";

const config = { nativeInputsMax: 4, admittedInputsMax: 8, streamWindow: 8 };
const judge = { ...served, name: "judge", task: Task.CLASSIFICATION, labels: ["low", "high"] };
const ranker = { ...served, name: "ranker", task: Task.RERANKING, labels: ["LABEL_0"] };

/** The services over peers that write down what they are asked. */
function open() {
  const path = createFakePath();
  const bindings = createTeiServices(config, { ...path, clock: systemClock, version: "1.2.3" });
  const channel = createLocalChannel({ role: "test", bindings, interceptors: [] });
  /** Calls a method whose requests are a stream. */
  const stream = <I extends DescMessage, R>(
    name: string,
    schema: I,
    requests: readonly MessageInitShape<I>[],
    context: CallContext = callContext(),
  ): R => {
    const handler = bindings.map(({ handlers }) => handlers[name]).find((one) => one);
    ok(handler);
    // The test says what the method answers.
    return handler(each(requests.map((request) => create(schema, request))), context) as R;
  };
  return { ...path, channel, stream };
}

test("a text is refused when it is too long, unless the message says otherwise", async () => {
  const { channel, peers } = open();
  const embed = channel.client(Embed);
  await embed.embed({ inputs: "abc" }, callContext());
  const left = TruncationDirection.LEFT;
  await embed.embed(
    { inputs: "abc", truncate: true, truncationDirection: left, promptName: "q" },
    callContext(),
  );
  const [first, second] = peers.encodes;
  deepEqual([first?.truncate, first?.truncationSide], [false, TruncationSide.RIGHT]);
  equal(first?.promptName, undefined);
  deepEqual([second?.truncate, second?.truncationSide], [true, TruncationSide.LEFT]);
  equal(second?.promptName, "q");
  equal(peers.jobs[0]?.priority, Priority.INTERACTIVE);
});

test("an answer says what it cost, in itself and in its headers", async () => {
  const { channel } = open();
  const answerHeaders = new Headers();
  const { embeddings, metadata } = await channel
    .client(Embed)
    .embed({ inputs: "abc😀" }, callContext({ answerHeaders }));
  deepEqual(embeddings, [3, 4, 4]);
  deepEqual([metadata?.computeChars, metadata?.computeTokens], [4, 4]);
  ok((metadata?.totalTimeNs ?? 0n) >= (metadata?.tokenizationTimeNs ?? 0n));
  equal(answerHeaders.get("x-compute-characters"), "4");
  equal(answerHeaders.get("x-compute-tokens"), "4");
  for (const name of ["compute", "total", "tokenization", "queue", "inference"]) {
    ok(/^\d+$/.test(answerHeaders.get(`x-${name}-time`) ?? ""), name);
  }
});

test("sparse vectors and vectors of tokens are rows", async () => {
  const { channel, peers } = open();
  peers.served = [served, { ...served, name: "sparse", task: Task.SPARSE_EMBEDDING }];
  const embed = channel.client(Embed);
  const all = await embed.embedAll({ inputs: "ab" }, callContext());
  deepEqual(
    all.tokenEmbeddings.map(({ embeddings }) => embeddings),
    [[97], [98]],
  );
  const { sparseEmbeddings } = await embed.embedSparse({ inputs: "ab" }, callContext());
  deepEqual(
    sparseEmbeddings.map(({ index, value }) => [index, value]),
    [[97, 1]],
  );
});

test("a stream is answered in order, and ended by its first bad message", async () => {
  const { stream, peers } = open();
  const texts = Array.from({ length: 50 }, (_, index) => "a".repeat(index + 1));
  const good = texts.map((inputs) => ({ inputs }));
  type Answers = AsyncIterable<{ readonly embeddings: number[] }>;
  const answers = await collect(
    stream<typeof EmbedRequestSchema, Answers>("embedStream", EmbedRequestSchema, good),
  );
  deepEqual(
    answers.map(({ embeddings }) => embeddings[2]),
    texts.map((text) => text.length),
  );
  equal(peers.jobs.at(-1)?.priority, Priority.BULK);

  const bad = [...good.slice(0, 20), { inputs: "" }, ...good.slice(20)];
  const seen: number[] = [];
  const read = async () => {
    const partial = stream<typeof EmbedRequestSchema, Answers>(
      "embedStream",
      EmbedRequestSchema,
      bad,
    );
    for await (const { embeddings } of partial) seen.push(embeddings[2] ?? 0);
  };
  await rejects(read(), {
    fault: "empty",
    message: "Input validation error: `inputs` cannot be empty",
  });
  deepEqual(
    seen,
    texts.slice(0, 20).map((text) => text.length),
  );
});

test("a stream waits for room where a single message is refused", async () => {
  const { channel, stream, peers, admission } = open();
  admission.enter(8);
  await rejects(channel.client(Embed).embed({ inputs: "a" }, callContext()), {
    fault: "overloaded",
  });
  const answers = collect(
    stream<typeof EmbedRequestSchema, AsyncIterable<unknown>>("embedStream", EmbedRequestSchema, [
      { inputs: "a" },
    ]),
  );
  await new Promise(setImmediate);
  deepEqual(peers.asked, []);
  admission.leave(8);
  equal((await answers).length, 1);
});

test("streams of every kind answer each message", async () => {
  const { stream, peers } = open();
  peers.served = [served, judge, { ...served, name: "sparse", task: Task.SPARSE_EMBEDDING }];
  for (const name of ["embedAllStream", "embedSparseStream", "predictStream"]) {
    const requests = [{ inputs: "a" }, { inputs: "bc" }];
    const answers = stream<typeof EmbedSparseRequestSchema, AsyncIterable<unknown>>(
      name,
      EmbedSparseRequestSchema,
      requests,
    );
    equal((await collect(answers)).length, 2, name);
  }
});

test("labels come highest first, of a text or of a pair", async () => {
  const { channel, peers } = open();
  peers.served = [served, judge];
  const predict = channel.client(Predict);
  const { predictions } = await predict.predict({ inputs: "abc" }, callContext());
  deepEqual(
    predictions.map(({ label, score }) => [label, score]),
    [
      ["high", 4],
      ["low", 3],
    ],
  );
  const pair = await predict.predictPair({ inputs: ["abc", "de"] }, callContext());
  equal(pair.metadata?.computeTokens, 5);
  await predict.predictPair({ inputs: ["abc"] }, callContext());
  for (const inputs of [[], ["a", "b", "c"]]) {
    const message = `\`inputs\` must have a single or two elements. Given: ${inputs.length}`;
    await rejects(predict.predictPair({ inputs }, callContext()), { fault: "invalid", message });
  }
});

test("texts are ranked, and come back where they are wanted", async () => {
  const { channel, peers } = open();
  peers.served = [served, ranker];
  const rerank = channel.client(Rerank);
  const texts = ["a", "abc", "ab"];
  const { ranks } = await rerank.rerank({ query: "q", texts, returnText: true }, callContext());
  deepEqual(
    ranks.map(({ index, text, score }) => [index, text, score]),
    [
      [1, "abc", 4],
      [2, "ab", 3],
      [0, "a", 2],
    ],
  );
  const silent = await rerank.rerank({ query: "q", texts }, callContext());
  deepEqual(
    silent.ranks.map(({ text }) => text),
    [undefined, undefined, undefined],
  );
  const many = { query: "q", texts: ["a", "b", "c", "d", "e"] };
  await rejects(rerank.rerank(many, callContext()), {
    message: "batch size 5 > maximum allowed batch size 4",
  });
});

test("a stream of texts is ranked as a whole, in batches of one query, by one version", async () => {
  const { stream, peers } = open();
  peers.served = [served, ranker];
  const requests = Array.from({ length: 11 }, (_, index) => ({
    query: index < 6 ? "q" : "other",
    text: "a".repeat(11 - index),
    returnText: index === 0,
  }));
  type Answer = Promise<{
    readonly ranks: readonly { index: number; text?: string; score: number }[];
    readonly metadata: { readonly computeTokens: number };
  }>;
  const answerHeaders = new Headers();
  const { ranks, metadata } = await stream<typeof RerankStreamRequestSchema, Answer>(
    "rerankStream",
    RerankStreamRequestSchema,
    requests,
    callContext({ answerHeaders }),
  );
  deepEqual(
    peers.asked.filter((what) => what.startsWith("classify")),
    [
      "classify 4 of ranker@1",
      "classify 2 of ranker@1",
      "classify 4 of ranker@1",
      "classify 1 of ranker@1",
    ],
  );
  const scores = requests.map(({ query, text }) => query.length + text.length);
  deepEqual(
    ranks.map(({ score }) => score),
    scores.toSorted((a, b) => b - a),
  );
  for (const { index, text, score } of ranks) {
    equal(text, requests[index]?.text);
    equal(score, scores[index]);
  }
  equal(
    metadata.computeTokens,
    scores.reduce((total, score) => total + score, 0),
  );
  equal(answerHeaders.get("x-compute-tokens"), String(metadata.computeTokens));
});

test("a stream without texts, or with a bad one, is refused", async () => {
  const { stream } = open();
  const rank = (...requests: { query: string; text: string }[]) =>
    stream<typeof RerankStreamRequestSchema, Promise<unknown>>(
      "rerankStream",
      RerankStreamRequestSchema,
      requests,
    );
  await rejects(rank(), { fault: "empty", message: "`texts` cannot be empty" });
  const good = { query: "q", text: "a" };
  await rejects(rank(good, good, good, good, good, { query: "", text: "a" }), { fault: "empty" });
});

test("a model that fails ends the call, with its own fault", async () => {
  const { channel, peers } = open();
  peers.fail = () => new MeshError("unavailable", "down");
  await rejects(channel.client(Embed).embed({ inputs: "a" }, callContext()), {
    fault: "unavailable",
  });
});

test("info describes the default model and the bounds of a caller", async () => {
  const { channel, peers } = open();
  peers.served = [{ ...judge, isDefaultModel: true, dtype: "float32", tokensMax: 256 }];
  const { $typeName: _, ...info } = await channel.client(Info).info({}, callContext());
  deepEqual(info, {
    ...{ version: "1.2.3", modelId: "judge", modelDtype: "float32" },
    modelType: ModelType.CLASSIFIER,
    ...{ maxConcurrentRequests: 8, maxInputLength: 256, maxClientBatchSize: 4 },
    ...{ maxBatchTokens: 0, maxBatchRequests: 0, tokenizationWorkers: 1 },
  });
});
