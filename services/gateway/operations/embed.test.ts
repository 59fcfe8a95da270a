import { deepEqual, equal, notEqual, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { Task } from "../../../gen/arrowmesh/inference/v1/inference_pb.js";
import { MeshError } from "../../../lib/errors.js";
import { callContext } from "../../../test/support/call-context.js";
import type { EmbedOrder } from "./embed.js";
import { createFakePath, inputsInWorkMax, order, served } from "./fake-peers.js";

/** The path with its embedding at hand. */
function open() {
  const path = createFakePath();
  return { ...path, embed: path.operations.embed };
}

test("a request goes the whole way, in order, and its tokens are committed", async () => {
  const { peers, limiter, embed } = open();
  const { asked } = peers;
  const { vectors, dimensions, usage } = await embed(order, callContext());
  await limiter.settled();
  deepEqual(asked, ["take", "list", "encode 2 of m@1", "reserve 5", "embed 2 of m@1", "commit"]);
  deepEqual(rowsOf(vectors), [
    [3, 4, 3],
    [3, 4, 2],
  ]);
  deepEqual([usage.tokenCounts, usage.tokens], [[3, 2], 5]);
  equal(dimensions, 3);
  equal(usage.model, "m");
});

test("what was computed is not computed again, and its tokens are given back", async () => {
  const { peers, limiter, embed } = open();
  const { asked } = peers;
  await embed(order, callContext());
  await limiter.settled();
  asked.length = 0;
  const { vectors } = await embed({ ...order, inputs: ["de", "abc", "f"] }, callContext());
  await limiter.settled();
  deepEqual(asked, ["take", "encode 3 of m@1", "reserve 6", "embed 1 of m@1", "commit 1"]);
  deepEqual(
    vectors.map((vector) => vector[2]),
    [2, 3, 1],
  );
});

test("a refused request costs no work", async () => {
  const { peers, embed, admission } = open();
  const { asked } = peers;
  peers.refuse = "requests";
  await rejects(embed(order, callContext()), (error) => {
    ok(error instanceof MeshError);
    equal(error.fault, "limited");
    equal(error.details.retryAfterMs, 1_500);
    equal(error.details.quotas?.length, 1);
    return true;
  });
  deepEqual(asked, ["take"]);
  equal(admission.inputs, 0);
});

test("tokens over the limit never reach the model", async () => {
  const { peers, embed } = open();
  const { asked } = peers;
  peers.refuse = "tokens";
  await rejects(embed(order, callContext()), { fault: "limited" });
  deepEqual(asked.slice(-2), ["encode 2 of m@1", "reserve 5"]);
});

test("a failure gives the tokens back", async () => {
  const { peers, limiter, embed, admission } = open();
  const { asked } = peers;
  peers.fail = () => new MeshError("unavailable", "down");
  await rejects(embed(order, callContext()), { fault: "unavailable" });
  await limiter.settled();
  deepEqual(asked.slice(-3), ["reserve 5", "embed 2 of m@1", "release"]);
  equal(admission.inputs, 0);
});

test("while too many inputs are in work, a request is refused before a limit is asked", async () => {
  const { peers, embed, admission, shed } = open();
  const { asked } = peers;
  admission.enter(inputsInWorkMax);
  await rejects(embed(order, callContext()), { fault: "overloaded" });
  deepEqual(asked, []);
  deepEqual(shed, [2]);
  admission.leave(inputsInWorkMax);
  await embed(order, callContext());
  equal(admission.inputs, 0);
});

test("fewer dimensions are cut and have length 1 again, unless they shall not", async () => {
  const { peers, embed } = open();
  const { asked } = peers;
  const whole = await embed(order, callContext());
  const unit = await embed({ ...order, dimensions: 2 }, callContext());
  deepEqual(rowsOf(unit.vectors), rowsOf([Float32Array.of(0.6, 0.8), Float32Array.of(0.6, 0.8)]));
  equal(unit.dimensions, 2);
  const raw = await embed({ ...order, dimensions: 2, normalize: false }, callContext());
  deepEqual(rowsOf(raw.vectors), [
    [-3, -4],
    [-3, -4],
  ]);
  const all = await embed({ ...order, dimensions: 3 }, callContext());
  // What is cut is a copy of what is remembered, which stays as it was.
  deepEqual(rowsOf(all.vectors), rowsOf(whole.vectors));
  equal(asked.filter((what) => what.startsWith("embed")).length, 2);
});

test("vectors of length 1 and others are remembered apart", async () => {
  const { embed } = open();
  const unit = await embed(order, callContext());
  const raw = await embed({ ...order, normalize: false }, callContext());
  notEqual(raw.vectors[0]?.[0], unit.vectors[0]?.[0]);
});

test("two models share no vectors, even when their files cannot be told apart", async () => {
  const { peers, embed } = open();
  peers.served = [served, { ...served, version: "2", weight: 0 }, { ...served, name: "n" }];
  const versions = [{ model: "m" }, { model: "m", version: "2" }, { model: "n" }];
  for (const version of versions) await embed({ ...order, ...version }, callContext());
  deepEqual(
    peers.jobs.map(({ model, version }) => `${model}@${version}`),
    ["m@1", "m@2", "n@1"],
  );
});

test("a version that has gone is replaced by its successor, once", async () => {
  const { peers, embed, limiter } = open();
  const { asked } = peers;
  await embed(order, callContext());
  await limiter.settled();
  asked.length = 0;
  peers.served = [{ ...served, version: "2", revision: "r2" }];
  const { vectors } = await embed({ ...order, inputs: ["new"] }, callContext());
  await limiter.settled();
  equal(vectors.length, 1);
  deepEqual(
    asked.filter((what) => !/commit|release/.test(what)),
    [
      ...["take", "encode 1 of m@1", "reserve 3", "embed 1 of m@1"],
      ...["list", "encode 1 of m@2", "reserve 3", "embed 1 of m@2"],
    ],
  );
  equal(asked.filter((what) => /commit|release/.test(what)).length, 2);

  // When successors go as well, nothing is tried a third time.
  asked.length = 0;
  peers.fail = ({ version }) => {
    peers.served = [{ ...served, version: `${Number(version) + 1}` }];
    return new MeshError("not_found", `${version} is gone`);
  };
  await rejects(embed({ ...order, inputs: ["newer"] }, callContext()), { message: "3 is gone" });
  equal(asked.filter((what) => what.startsWith("embed")).length, 2);
});

test("a model that is not there is not asked for twice", async () => {
  const { peers, embed } = open();
  const { asked } = peers;
  await rejects(embed({ ...order, model: "nope" }, callContext()), { fault: "not_found" });
  deepEqual(asked, ["take", "list", "list"]);
  peers.fail = () => new MeshError("not_found", "gone");
  await rejects(embed(order, callContext()), { message: "gone" });
  equal(asked.filter((what) => what.startsWith("embed")).length, 1);
});

test("the model hears whom the work is for, and how urgent it is", async () => {
  const { peers, embed } = open();
  await embed(order, callContext({ clientIp: "192.0.2.7" }));
  equal(peers.jobs[0]?.caller, "ip:192.0.2.7");
  equal(peers.jobs[0]?.priority, order.priority);
});

test("the tokenizer hears the prompt, the revision, and whether to cut, only if the caller says", async () => {
  const { peers, embed } = open();
  await embed(order, callContext());
  equal(peers.encodes[0]?.promptName, undefined);
  equal(peers.encodes[0]?.truncate, undefined);
  equal(peers.encodes[0]?.revision, "r1");
  await embed({ ...order, promptName: "", truncate: false }, callContext());
  equal(peers.encodes[1]?.promptName, "");
  equal(peers.encodes[1]?.truncate, false);
});

test("who leaves early does not fail another who waits for the same vector", async () => {
  const { peers, embed, admission } = open();
  const { asked } = peers;
  await embed({ ...order, inputs: ["first"] }, callContext());
  let release = () => {};
  peers.held = new Promise((resolve) => {
    release = resolve;
  });
  const leaver = new AbortController();
  const first = embed(order, callContext({ signal: leaver.signal }));
  const second = embed(order, callContext());
  await turns();
  leaver.abort(new MeshError("cancelled", "left"));
  await rejects(first, { message: "left" });
  equal(admission.inputs, 2);
  equal(peers.signals[1]?.aborted, false);
  release();
  equal((await second).vectors.length, 2);
  equal(admission.inputs, 0);
  equal(asked.filter((what) => what.startsWith("embed 2")).length, 1);
});

test("a computation ends when nobody waits for it any more", async () => {
  const { peers, embed, limiter } = open();
  peers.held = new Promise(() => {});
  const leaver = new AbortController();
  const call = embed(order, callContext({ signal: leaver.signal }));
  await turns();
  leaver.abort(new MeshError("cancelled", "left"));
  await rejects(call, { message: "left" });
  equal(peers.signals[0]?.aborted, true);
  await turns();
  await limiter.settled();
  equal(peers.asked.at(-1), "release");
});

test("a model without vectors, or with too few dimensions, is refused before it is tokenized", async () => {
  const { peers, embed } = open();
  const { asked } = peers;
  peers.served = [
    served,
    { ...served, name: "classifier", task: Task.CLASSIFICATION, dimensions: 0 },
  ];
  await rejects(embed({ ...order, model: "classifier" }, callContext()), { fault: "wrong_task" });
  await rejects(embed({ ...order, dimensions: 4 }, callContext()), { fault: "invalid" });
  ok(!asked.some((what) => what.startsWith("encode")));
});

test("bad orders are refused before they are tokenized", async () => {
  const { peers, embed } = open();
  const { asked } = peers;
  const bad: [Partial<EmbedOrder>, string][] = [
    [{ inputs: [] }, "empty"],
    [{ inputs: ["a", ""] }, "empty"],
    [{ inputs: ["\ud800"] }, "invalid"],
    [{ inputs: ["1", "2", "3", "4", "5"] }, "invalid"],
    [{ dimensions: 0 }, "invalid"],
    [{ model: "\ud800" }, "invalid"],
    [{ version: "\ud800" }, "invalid"],
  ];
  for (const [over, fault] of bad) {
    await rejects(embed({ ...order, ...over }, callContext()), { fault });
  }
  ok(!asked.some((what) => what.startsWith("encode")));
});

function rowsOf(vectors: readonly Float32Array[]): number[][] {
  return vectors.map((vector) => [...vector]);
}

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise(setImmediate);
}
