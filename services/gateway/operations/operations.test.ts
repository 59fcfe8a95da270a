import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import { Task } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { OffsetUnit } from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { callContext } from "../../../test/support/call-context.js";
import { createFakePath, order, served } from "./fake-peers.js";

const judge = { ...served, name: "judge", isDefaultModel: false, task: Task.CLASSIFICATION };
const ranker = { ...judge, name: "ranker", task: Task.RERANKING, labels: ["LABEL_0"] };
const sparse = { ...judge, name: "sparse", task: Task.SPARSE_EMBEDDING, labels: [] };

test("each operation goes the whole way and commits its tokens", async () => {
  const { peers, limiter, operations } = createFakePath();
  peers.served = [served, { ...judge, labels: ["long", "short"] }, sparse];
  const calls: [string, () => Promise<unknown>][] = [
    ["embedTokens 2 of m@1", () => operations.embedTokens(order, callContext())],
    ["embedSparse 2 of sparse@1", () => operations.embedSparse(order, callContext())],
    ["classify 2 of judge@1", () => operations.classify({ ...order, isRaw: false }, callContext())],
    ["embed 2 of m@1", () => operations.compare(order, callContext())],
  ];
  for (const [computing, call] of calls) {
    peers.asked.length = 0;
    await call();
    await limiter.settled();
    const model = computing.split(" of ")[1];
    const way = ["take", `encode 2 of ${model}`, "reserve 5", computing, "commit"];
    deepEqual(
      peers.asked.filter((what) => what !== "list"),
      way,
    );
  }
});

test("tokens get a vector each, and labels come highest first", async () => {
  const { peers, operations } = createFakePath();
  peers.served = [served, { ...judge, labels: ["low", "high"] }];
  const tokens = await operations.embedTokens(order, callContext());
  deepEqual(
    tokens.vectors.map((vector) => [...vector]),
    [
      [97, 98, 99],
      [100, 101],
    ],
  );
  equal(tokens.usage.characters, 5);
  const { predictions, usage } = await operations.classify(
    { ...order, isRaw: true },
    callContext(),
  );
  equal(usage.model, "judge");
  deepEqual(predictions[0], [
    { label: "high", score: 4 },
    { label: "low", score: 3 },
  ]);
});

test("texts are ranked by a cross-encoder where there is one, else by the cosine of vectors", async () => {
  const { operations } = createFakePath();
  const { inputs: _, ...options } = order;
  const rerank = { ...options, query: "abc", texts: ["d", "abc", "efgh"], isRaw: false };
  const byCosine = await operations.rerank(rerank, callContext());
  equal(byCosine.usage.model, "m");
  deepEqual(
    byCosine.ranks.map(({ index }) => index),
    [2, 1, 0],
  );
  const other = createFakePath();
  other.peers.served = [served, ranker];
  const byPairs = await other.operations.rerank(rerank, callContext());
  equal(byPairs.usage.model, "ranker");
  deepEqual(
    byPairs.ranks.map(({ index, score }) => [index, score]),
    [
      [2, 7],
      [1, 6],
      [0, 4],
    ],
  );
  await rejects(operations.rerank({ ...rerank, texts: [] }, callContext()), { fault: "empty" });
  await rejects(operations.rerank({ ...rerank, inputsMax: 2 }, callContext()), {
    message: "batch size 3 > maximum allowed batch size 2",
  });
});

test("one text of a pair may be empty, not both", async () => {
  const { peers, operations } = createFakePath();
  peers.served = [{ ...judge, labels: ["low", "high"] }];
  const classify = (first: string, second: string) =>
    operations.classify({ ...order, inputs: [{ first, second }], isRaw: false }, callContext());
  equal((await classify("", "b")).predictions.length, 1);
  equal((await classify("a", "")).predictions.length, 1);
  await rejects(classify("", ""), { fault: "empty" });
});

test("a text of more characters than any model reads is not tokenized", async () => {
  const { peers, operations } = createFakePath();
  const tokenize = (text: string) =>
    operations.tokenize(
      { ...order, texts: ["a", text], textsMax: 2, isSpecialAdded: true, unit: OffsetUnit.BYTES },
      callContext(),
    );
  equal((await tokenize("😀".repeat(2_000))).encodings.length, 2);
  peers.encodes.length = 0;
  await rejects(tokenize("a".repeat(2_001)), {
    fault: "invalid",
    message: "Input validation error: `inputs` must have less than 2000 characters. Given: 2001",
  });
  equal(peers.encodes.length, 0);
});
