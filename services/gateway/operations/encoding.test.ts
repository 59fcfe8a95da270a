import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import {
  type EncodeRequest,
  TokenizerService,
} from "../../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { MeshError } from "../../../lib/errors.js";
import { bind } from "../../../lib/rpc/call.js";
import { createLocalChannel } from "../../../lib/rpc/local-channel.js";
import { callContext } from "../../../test/support/call-context.js";
import { idleTokenizer } from "../../../test/support/idle-tokenizer.js";
import { seeded } from "../../../test/support/random.js";
import { createEncode, type EncodeOrder } from "./encoding.js";

const model = { name: "m", version: "1", revision: "r" };
const order: EncodeOrder = {
  inputs: ["a"],
  truncate: undefined,
  truncationSide: undefined,
  tokensMax: undefined,
  promptName: undefined,
  isSpecialAdded: undefined,
};

/** Ids are the code units of a text; "bad" is refused. */
function open(isGathering = true) {
  const asked: EncodeRequest[] = [];
  const tokenizer = bind(TokenizerService, {
    ...idleTokenizer,
    encode(request) {
      asked.push(request);
      if (request.texts.includes("bad")) throw new MeshError("invalid", "bad");
      return { encodings: request.texts.map((text) => ({ ids: idsOf(text) })) };
    },
  });
  const channel = createLocalChannel({ role: "test", bindings: [tokenizer], interceptors: [] });
  const encode = createEncode(channel.client(TokenizerService), { isGathering });
  return {
    asked,
    encode: async (over: Partial<EncodeOrder>, other: Partial<typeof model> = {}) => {
      const encodings = await encode({ ...order, ...over }, { ...model, ...other }, callContext());
      return encodings.map(({ ids }) => ids);
    },
  };
}

function idsOf(text: string): number[] {
  return [...text].map((character) => character.charCodeAt(0));
}

test("texts of one turn are one call, and each request has its own encodings", async () => {
  const { asked, encode } = open();
  const all = await Promise.all([encode({ inputs: ["a", "b"] }), encode({ inputs: ["c"] })]);
  deepEqual(all, [[[97], [98]], [[99]]]);
  deepEqual(
    asked.map(({ texts }) => texts),
    [["a", "b", "c"]],
  );
});

test("what is not encoded alike does not go together", async () => {
  const { asked, encode } = open();
  const kinds: [Partial<EncodeOrder>, Partial<typeof model>?][] = [
    [{}],
    [{}, { name: "other" }],
    [{}, { version: "2" }],
    [{}, { revision: "s" }],
    [{ truncate: false }],
    [{ truncate: true }],
    [{ truncationSide: "left" }],
    [{ tokensMax: 3 }],
    [{ promptName: "" }],
    [{ promptName: "query" }],
  ];
  await Promise.all([...kinds, ...kinds].map((kind) => encode(...kind)));
  equal(asked.length, kinds.length);
  deepEqual(
    asked.map(({ texts }) => texts),
    kinds.map(() => ["a", "a"]),
  );
});

test("pairs and ids go alone, as what they are", async () => {
  const { asked, encode } = open();
  const pair = { first: "a", second: "b" };
  await Promise.all([encode({ inputs: [pair, "c"] }), encode({ inputs: [{ ids: [1, 2] }] })]);
  deepEqual(
    asked.map(({ texts, inputs }) => [texts.length, inputs.map(({ kind }) => kind.case)]),
    [
      [0, ["pair", "text"]],
      [0, ["ids"]],
    ],
  );
});

test("requests of many or long texts go alone", async () => {
  const { asked, encode } = open();
  const many = Array.from({ length: 33 }, () => "a");
  const counts = await Promise.all(
    [many, ["x".repeat(4_097)], many.slice(1), ["x".repeat(4_096)]].map(
      async (inputs) => (await encode({ inputs })).length,
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
  const [good, bad] = [["a"], ["bad"]].map((inputs) => encode({ inputs }));
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
    const encoding = encode({ inputs: texts }, { revision: random.pick(["r", "s"]) });
    if (texts.includes("bad")) await rejects(encoding, { fault: "invalid" });
    else deepEqual(await encoding, texts.map(idsOf));
  });
  await Promise.all(requests);
});
