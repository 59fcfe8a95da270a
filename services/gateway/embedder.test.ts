import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { InferenceService } from "../../gen/arrowmesh/inference/v1/inference_pb.js";
import { RatelimitService } from "../../gen/arrowmesh/ratelimit/v1/ratelimit_pb.js";
import { TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { systemClock } from "../../lib/clock.js";
import { MeshError } from "../../lib/errors.js";
import { createLog } from "../../lib/log.js";
import { type Binding, bind, type Channel } from "../../lib/rpc/call.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { callContext } from "../../test/support/call-context.js";
import { createEmbedder, type EmbedOrder } from "./embedder.js";
import { Limiter } from "./limiter.js";

const order: EmbedOrder = {
  model: "",
  texts: ["abc", "de"],
  textsMax: 4,
  truncate: undefined,
  normalize: true,
  dimensions: undefined,
};

/** The three services as the gateway sees them: they write down what is asked, and answer as told. */
function createPath(behaviour: { refuse?: "requests" | "tokens"; fail?: boolean } = {}) {
  const asked: string[] = [];
  const decide = (unit: "requests" | "tokens", what: string) => {
    asked.push(what);
    if (behaviour.refuse !== unit) return { allowed: true };
    return { allowed: false, limits: [{ name: "rule", quota: 5n, retryAfterMs: 1_500n }] };
  };
  const note = (what: string) => () => {
    asked.push(what);
    return {};
  };
  const ratelimit = bind(RatelimitService, {
    check: () => ({}),
    take: () => decide("requests", "take"),
    reserve: ({ amount }) => decide("tokens", `reserve ${amount}`),
    commit: note("commit"),
    release: note("release"),
  });
  const tokenizer = bind(TokenizerService, {
    encode({ texts }) {
      asked.push("encode");
      return { encodings: texts.map((text) => ({ ids: [...text].map(() => 7) })) };
    },
    decode: () => ({}),
  });
  const inference = bind(InferenceService, {
    embed({ sequences }) {
      asked.push("embed");
      if (behaviour.fail === true) throw new MeshError("unavailable", "down");
      const vectors = Float32Array.from(sequences.flatMap(() => [3, 4, 0]));
      return { model: "m", dimensions: 3, vectors: new Uint8Array(vectors.buffer) };
    },
    listModels: () => ({}),
  });
  const log = createLog("silent");
  const limiter = new Limiter(channelTo(ratelimit), 1_000, { clock: systemClock, log });
  const peers = { tokenizer: channelTo(tokenizer), inference: channelTo(inference) };
  return { asked, limiter, embed: createEmbedder(peers, limiter) };
}

function channelTo(binding: Binding): Channel {
  return createLocalChannel({ role: "test", bindings: [binding], interceptors: [] });
}

test("a request goes the whole way, in order, and its tokens are committed", async () => {
  const { asked, limiter, embed } = createPath();
  const { vectors, tokenCounts, dimensions } = await embed(order, callContext());
  await limiter.settled();
  deepEqual(asked, ["take", "encode", "reserve 5", "embed", "commit"]);
  deepEqual([...vectors], [3, 4, 0, 3, 4, 0]);
  deepEqual(tokenCounts, [3, 2]);
  equal(dimensions, 3);
});

test("a refused request costs no work", async () => {
  const { asked, embed } = createPath({ refuse: "requests" });
  await rejects(embed(order, callContext()), (error) => {
    ok(error instanceof MeshError);
    equal(error.fault, "limited");
    equal(error.details.retryAfterMs, 1_500);
    equal(error.details.quotas?.length, 1);
    return true;
  });
  deepEqual(asked, ["take"]);
});

test("tokens over the limit never reach the model", async () => {
  const { asked, embed } = createPath({ refuse: "tokens" });
  await rejects(embed(order, callContext()), { fault: "limited" });
  deepEqual(asked, ["take", "encode", "reserve 5"]);
});

test("a failure gives the tokens back", async () => {
  const { asked, limiter, embed } = createPath({ fail: true });
  await rejects(embed(order, callContext()), { fault: "unavailable" });
  await limiter.settled();
  deepEqual(asked, ["take", "encode", "reserve 5", "embed", "release"]);
});

test("fewer dimensions are cut and have length 1 again, unless they shall not", async () => {
  const { embed } = createPath();
  const unit = await embed({ ...order, dimensions: 1 }, callContext());
  deepEqual([...unit.vectors], [1, 1]);
  const raw = await embed({ ...order, dimensions: 2, normalize: false }, callContext());
  deepEqual([...raw.vectors], [3, 4, 3, 4]);
});

test("bad orders are refused before they are tokenized", async () => {
  const { asked, embed } = createPath();
  const bad: [Partial<EmbedOrder>, string][] = [
    [{ texts: [] }, "empty"],
    [{ texts: ["a", ""] }, "empty"],
    [{ texts: ["\ud800"] }, "invalid"],
    [{ texts: ["1", "2", "3", "4", "5"] }, "invalid"],
    [{ dimensions: 0 }, "invalid"],
  ];
  for (const [over, fault] of bad) {
    await rejects(embed({ ...order, ...over }, callContext()), { fault });
  }
  ok(!asked.includes("encode"));
});
