import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import {
  type EncodeRequest,
  TokenizerService,
} from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { MeshError } from "../../lib/errors.js";
import { bind } from "../../lib/rpc/call.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { callContext } from "../../test/support/call-context.js";
import { seeded } from "../../test/support/random.js";
import { createEncode, type EncodeOrder } from "./encoding.js";

const order: EncodeOrder = {
  model: "m",
  version: "1",
  revision: "r",
  texts: ["a"],
  truncate: undefined,
  promptName: undefined,
};

/** Ids are the code units of a text; "bad" is refused. */
function open(isGathering = true) {
  const asked: EncodeRequest[] = [];
  const tokenizer = bind(TokenizerService, {
    encode(request) {
      asked.push(request);
      if (request.texts.includes("bad")) throw new MeshError("invalid", "bad");
      return { encodings: request.texts.map((text) => ({ ids: idsOf(text) })) };
    },
    decode: () => ({}),
  });
  const channel = createLocalChannel({ role: "test", bindings: [tokenizer], interceptors: [] });
  const encode = createEncode(channel.client(TokenizerService), { isGathering });
  return {
    asked,
    encode: async (over: Partial<EncodeOrder>) =>
      (await encode({ ...order, ...over }, callContext())).map(({ ids }) => ids),
  };
}

function idsOf(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0));
}

test("texts of one turn are one call, and each request has its own encodings", async () => {
  const { asked, encode } = open();
  const all = await Promise.all([encode({ texts: ["a", "b"] }), encode({ texts: ["c"] })]);
  deepEqual(all, [[[97], [98]], [[99]]]);
  deepEqual(
    asked.map(({ texts }) => texts),
    [["a", "b", "c"]],
  );
});

test("what is not encoded alike does not go together", async () => {
  const { asked, encode } = open();
  const kinds: Partial<EncodeOrder>[] = [
    {},
    { model: "other" },
    { version: "2" },
    { revision: "s" },
    { truncate: false },
    { truncate: true },
    { promptName: "" },
    { promptName: "query" },
  ];
  await Promise.all([...kinds, ...kinds].map(encode));
  deepEqual(
    asked.map((request) => ({
      model: request.model,
      version: request.version,
      revision: request.revision,
      truncate: request.truncate,
      promptName: request.promptName,
      texts: request.texts,
    })),
    kinds.map((kind) => ({ ...order, ...kind, texts: ["a", "a"] })),
  );
});

test("requests of many or long texts go alone", async () => {
  const { asked, encode } = open();
  const many = Array.from({ length: 33 }, () => "a");
  const counts = await Promise.all(
    [many, ["x".repeat(4_097)], many.slice(1), ["x".repeat(4_096)]].map(
      async (texts) => (await encode({ texts })).length,
    ),
  );
  deepEqual(counts, [33, 1, 32, 1]);
  deepEqual(
    asked.map(({ texts }) => texts.length),
    [33, 1, 33],
  );
});

test("a text that is refused is the error of its own request only", async () => {
  const { asked, encode } = open();
  const [good, bad] = [["a"], ["bad"]].map((texts) => encode({ texts }));
  await rejects(bad as Promise<unknown>, { fault: "invalid" });
  deepEqual(await good, [[97]]);
  equal(asked.length, 3);
});

test("without gathering every request is a call", async () => {
  const { asked, encode } = open(false);
  await Promise.all([encode({}), encode({ truncate: true, promptName: "query" })]);
  deepEqual(
    asked.map(({ texts, truncate, promptName }) => [texts, truncate, promptName]),
    [
      [["a"], undefined, undefined],
      [["a"], true, "query"],
    ],
  );
});

test("a request gets the encodings of its own texts, whatever goes with them", async (t) => {
  const random = seeded(t);
  const { encode } = open();
  const requests = Array.from({ length: 500 }, async () => {
    for (let turns = random.int(5); turns > 0; turns -= 1) await new Promise(setImmediate);
    const texts = Array.from({ length: random.int(4) }, () => `${random.int(1_000)}`);
    if (random.int(20) === 0) texts.push("bad");
    const encoding = encode({ texts, revision: random.pick(["r", "s"]) });
    if (texts.includes("bad")) await rejects(encoding, { fault: "invalid" });
    else deepEqual(await encoding, texts.map(idsOf));
  });
  await Promise.all(requests);
});
