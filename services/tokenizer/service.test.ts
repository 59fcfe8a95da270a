import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Registry } from "prom-client";
import {
  OffsetUnit,
  TokenizerService,
  TruncationSide,
} from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
import { readConfig } from "../../lib/config.js";
import { MeshError } from "../../lib/errors.js";
import { ModelCatalog } from "../../lib/model-catalog.js";
import { packageRoot } from "../../lib/package-root.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { callContext } from "../../test/support/call-context.js";
import { temporaryFolder, write, writeSplade } from "../../test/support/tiny-models.js";
import { tinyVocabulary } from "../../test/support/tiny-tokenizer.js";
import { type TokenizerConfig, tokenizerSchema } from "./config.js";
import { createTokenizer } from "./service.js";

const golden = join(packageRoot, "../shared/golden/tokenizer.jsonl");
const config = readConfig(tokenizerSchema, {});
const tokenizer = clientOf(config);
const context = callContext();

interface Golden {
  readonly text: string;
  readonly ids: number[];
  readonly tokens: string[];
  readonly offsets: [number, number][];
}

test("ids, tokens and offsets are those of Hugging Face, on every golden line", {
  skip: existsSync(golden) ? false : "../shared/golden is not there",
}, async () => {
  const lines = readFileSync(golden, "utf8").trim().split("\n");
  const expected = lines.map((line) => JSON.parse(line) as Golden);
  equal(expected.length, 800);
  const texts = expected.map(({ text }) => text);
  const { encodings } = await tokenizer.encode(
    { texts, offsetUnit: OffsetUnit.CODE_POINTS },
    context,
  );
  for (const [index, { ids, tokens, offsets }] of expected.entries()) {
    const encoding = encodings[index];
    deepEqual(encoding?.ids, ids);
    deepEqual(encoding?.tokens, tokens);
    deepEqual(
      encoding?.offsets.map(({ start, end }) => [start, end]),
      offsets,
    );
  }
});

test("calls of one turn are encoded together and answered apart", async () => {
  const texts = ["one", "two words", "three short words"];
  const answers = await Promise.all(
    texts.map((text) => tokenizer.encode({ texts: [text] }, context)),
  );
  deepEqual(
    answers.map(({ encodings }) => encodings[0]?.ids.length),
    [3, 4, 5],
  );
});

test("a long text is cut to 256 tokens with its last special token, and says so", async () => {
  const { encodings } = await tokenizer.encode({ texts: ["word ".repeat(400), "word"] }, context);
  equal(encodings[0]?.ids.length, 256);
  equal(encodings[0]?.ids.at(-1), 102);
  deepEqual(
    encodings.map(({ truncated }) => truncated),
    [true, false],
  );
});

test("a text of exactly 256 tokens is not cut", async () => {
  const { encodings } = await tokenizer.encode({ texts: ["word ".repeat(254)] }, context);
  equal(encodings[0]?.ids.length, 256);
  equal(encodings[0]?.truncated, false);
});

test("a long text is refused when it may not be cut", async () => {
  const call = tokenizer.encode({ texts: ["word ".repeat(400)], truncate: false }, context);
  await rejects(call, {
    fault: "invalid",
    message: "Input validation error: `inputs` must have less than 256 tokens. Given: 402",
  });
});

test("special tokens are left out on request", async () => {
  const { encodings } = await tokenizer.encode(
    { texts: ["hello"], addSpecialTokens: false },
    context,
  );
  deepEqual(encodings[0]?.ids, [7592]);
});

test("ids become text again, with or without special tokens", async () => {
  const sequences = [{ ids: [101, 7592, 2088, 102] }];
  deepEqual((await tokenizer.decode({ sequences }, context)).texts, ["hello world"]);
  const whole = await tokenizer.decode({ sequences, skipSpecialTokens: false }, context);
  deepEqual(whole.texts, ["[CLS] hello world [SEP]"]);
});

test("texts, pairs and ids stand in one call, and keep their order", async () => {
  const inputs = [
    text("hello"),
    { kind: { case: "pair", value: { first: "hello", second: "world" } } } as const,
    ids(7592, 2088),
  ];
  const { encodings } = await tokenizer.encode({ inputs, offsetUnit: OffsetUnit.UTF16 }, context);
  deepEqual(
    encodings.map(({ ids }) => ids),
    [
      [101, 7592, 102],
      [101, 7592, 102, 2088, 102],
      [7592, 2088],
    ],
  );
  deepEqual(
    encodings.map(({ pieces }) => pieces),
    [
      ["", "hello", ""],
      ["", "hello", "", "world", ""],
      ["", ""],
    ],
  );
  deepEqual(
    encodings.map(({ typeIds }) => typeIds),
    [[], [0, 0, 0, 1, 1], []],
  );
});

test("offsets are in the unit that was asked for, which the answer says", async () => {
  const texts = ["\ud83d\ude00 caf\u00e9"];
  const units = [
    [OffsetUnit.BYTES, [0, 4], [5, 10]],
    [OffsetUnit.UTF16, [0, 2], [3, 7]],
    [OffsetUnit.CODE_POINTS, [0, 1], [2, 6]],
  ] as const;
  for (const [offsetUnit, ...expected] of units) {
    const answer = await tokenizer.encode({ texts, offsetUnit, addSpecialTokens: false }, context);
    const [encoding] = answer.encodings;
    equal(answer.offsetUnit, offsetUnit);
    deepEqual(
      encoding?.offsets.map(({ start, end }) => [start, end]),
      expected,
    );
    deepEqual(encoding?.pieces, ["\ud83d\ude00", "caf\u00e9"]);
    deepEqual(encoding?.tokens, ["[UNK]", "cafe"]);
    deepEqual(encoding?.special, [false, false]);
  }
});

test("ids stay as they are, but for the limit", async () => {
  const inputs = [ids(1, 102, 103, 104)];
  const idsOf = async (over: object) =>
    (await tokenizer.encode({ inputs, ...over }, context)).encodings[0]?.ids;
  deepEqual(await idsOf({}), [1, 102, 103, 104]);
  deepEqual(await idsOf({ tokensMax: 3 }), [1, 102, 103]);
  deepEqual(await idsOf({ tokensMax: 3, truncationSide: TruncationSide.LEFT }), [102, 103, 104]);
  deepEqual(await idsOf({ tokensMax: 3, unlimited: true }), [1, 102, 103, 104]);
  await rejects(idsOf({ tokensMax: 3, truncate: false }), {
    message: "Input validation error: `inputs` must have less than 3 tokens. Given: 4",
  });
});

test("a limit of the call counts only below that of the model, and leaves room for special tokens", async () => {
  const lengthOf = async (tokensMax: number) =>
    (await tokenizer.encode({ texts: ["word ".repeat(400)], tokensMax }, context)).encodings[0]?.ids
      .length;
  equal(await lengthOf(1_000), 256);
  equal(await lengthOf(10), 10);
  equal(await lengthOf(2), 2);
  for (const tokensMax of [0, 1]) {
    await rejects(lengthOf(tokensMax), { fault: "invalid", message: /^tokens_max/ });
  }
});

test("a text with more than 250 characters for each token is refused when it may not be cut", async () => {
  const refusal = {
    fault: "invalid",
    message: "Input validation error: `inputs` must have less than 64000 characters. Given: 64001",
  };
  for (const character of ["a", "\ud83d\ude00"]) {
    const texts = [character.repeat(64_001)];
    await rejects(tokenizer.encode({ texts, truncate: false }, context), refusal);
    const allowed = { texts: [character.repeat(64_000)], truncate: false };
    equal((await tokenizer.encode(allowed, context)).encodings[0]?.ids.length, 3);
    equal((await tokenizer.encode({ texts }, context)).encodings[0]?.ids.length, 3);
  }
});

test("counts are the lengths of whole encodings", async () => {
  const texts = ["", "hello", "word ".repeat(400), "caf\u00e9 \ud83d\ude00"];
  const { tokens, model } = await tokenizer.count({ texts }, context);
  deepEqual(tokens, [2, 3, 402, 4]);
  equal(model, "sentence-transformers/all-MiniLM-L6-v2");
  const bare = await tokenizer.count({ texts, addSpecialTokens: false }, context);
  deepEqual(bare.tokens, [0, 1, 400, 2]);
  const pair = { kind: { case: "pair", value: { first: "a", second: "b" } } } as const;
  deepEqual((await tokenizer.count({ inputs: [pair, ids(5, 6)] }, context)).tokens, [5, 2]);
});

test("what is no text, no id or no model is refused, with the name of its place", async () => {
  const refusals: [object, object][] = [
    [{}, { fault: "empty" }],
    [{ texts: ["a"], inputs: [text("a")] }, { fault: "invalid" }],
    [{ texts: ["a", "\udc00"] }, { fault: "invalid", message: /^texts\[1\]/ }],
    [{ inputs: [text("\ud800")] }, { fault: "invalid", message: /^inputs\[0\]\.text/ }],
    [{ inputs: [text("a"), { kind: { case: undefined } }] }, { message: /^inputs\[1\]/ }],
    [{ inputs: [ids()] }, { fault: "empty" }],
    [
      { inputs: [ids(1, 30_522)] },
      { fault: "invalid", message: /^inputs\[0\]\.ids\.ids\[1\]: id 30522/ },
    ],
    [{ texts: ["a"], model: "other" }, { fault: "not_found" }],
    [
      { texts: new Array(2_049).fill("a") },
      { fault: "invalid", message: "2049 texts, at most 2048" },
    ],
  ];
  for (const [request, refusal] of refusals) {
    await rejects(tokenizer.encode(request, context), refusal);
    await rejects(tokenizer.count(request, context), refusal);
  }
  const decoding: [number[][], object][] = [
    [[], { fault: "empty" }],
    [[[1], []], { fault: "empty" }],
    [[[1], [2, 30_522]], { fault: "invalid", message: /^sequences\[1\]\.ids\[1\]: id 30522/ }],
    [[[2 ** 32 - 1]], { fault: "invalid" }],
  ];
  for (const [rows, refusal] of decoding) {
    const sequences = rows.map((ids) => ({ ids }));
    await rejects(tokenizer.decode({ sequences }, context), refusal);
  }
});

test("a text of a megabyte is encoded without holding up the event loop", async () => {
  for (const words of ["lorem ipsum ", "lörem ipsum "]) {
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    const texts = [words.repeat(80_000)];
    const { encodings } = await tokenizer.encode({ texts, unlimited: true }, context);
    clearInterval(timer);
    ok((encodings[0]?.ids.length ?? 0) > 300_000);
    equal(encodings[0]?.truncated, false);
    ok(turns > 5);
    const { encodings: cut } = await tokenizer.encode({ texts }, context);
    deepEqual(cut[0]?.ids, [...(encodings[0]?.ids ?? []).slice(0, 255), 102]);
  }
});

test("a prompt goes before each text: the one that is named, or the default one", async (t) => {
  const root = temporaryFolder(t);
  const prompts = { query: "cat dog ", document: "bird ", none: "" };
  writeSplade(join(root, "prompted"));
  write(join(root, "prompted"), {
    "config_sentence_transformers.json": { prompts, default_prompt_name: "query" },
  });
  const { encode } = clientOf({ ...config, modelRepository: root });
  const idsOf = async (promptName?: string) => {
    const named = promptName === undefined ? {} : { promptName };
    const request = { model: "prompted", texts: ["fish", "tree"], addSpecialTokens: false };
    const { encodings } = await encode({ ...request, ...named }, context);
    return encodings.map(({ ids }) => ids.map((id) => tinyVocabulary[id]).join(" "));
  };
  deepEqual(await idsOf(), ["cat dog fish", "cat dog tree"]);
  deepEqual(await idsOf("document"), ["bird fish", "bird tree"]);
  deepEqual(await idsOf("none"), ["fish", "tree"]);
  for (const name of ["", "Query", "toString", "__proto__"]) {
    await rejects(idsOf(name), (error) => {
      ok(error instanceof MeshError);
      equal(error.fault, "invalid");
      equal(error.details.fields?.[0]?.field, "prompt_name");
      equal(
        error.message,
        `Input validation error: \`default-prompt-name\` is set to \`${name}\` but it was not found in the Sentence Transformers prompts. Available prompts: ["query", "document", "none"]`,
      );
      return true;
    });
  }
});

test("a prompt goes before ids as well, which become text, and before the first text of a pair", async (t) => {
  const root = temporaryFolder(t);
  writeSplade(join(root, "prompted"));
  write(join(root, "prompted"), {
    "config_sentence_transformers.json": { prompts: { query: "cat " } },
  });
  const { encode, count } = clientOf({ ...config, modelRepository: root });
  const idOf = (word: string) => tinyVocabulary.indexOf(word);
  const pair = { kind: { case: "pair", value: { first: "fish", second: "bird" } } } as const;
  const inputs = [ids(idOf("[CLS]"), idOf("dog"), idOf("[SEP]")), pair];
  const request = { model: "prompted", promptName: "query", inputs };
  const { encodings } = await encode(request, context);
  deepEqual(
    encodings.map(({ ids }) => ids.map((id) => tinyVocabulary[id]).join(" ")),
    ["[CLS] cat dog [SEP]", "[CLS] cat fish [SEP] bird [SEP]"],
  );
  deepEqual((await count(request, context)).tokens, [4, 6]);
});

test("a model without prompts has none by any name", async () => {
  const call = tokenizer.encode({ texts: ["a"], promptName: "query" }, context);
  await rejects(call, {
    fault: "invalid",
    message:
      "Input validation error: `default-prompt-name` is set to `query` but no prompts were found in the Sentence Transformers configuration",
  });
});

test("too many texts at once are refused as overload, over all models together", async (t) => {
  const root = temporaryFolder(t);
  writeSplade(join(root, "other"));
  const { encode } = clientOf({ ...config, modelRepository: root, waitingTextsMax: 2 });
  const first = encode({ texts: ["a", "b"] }, context);
  await rejects(encode({ model: "other", texts: ["cat"] }, context), { fault: "overloaded" });
  await first;
  await encode({ model: "other", texts: ["cat"] }, context);
});

function text(value: string) {
  return { kind: { case: "text", value } } as const;
}

function ids(...values: number[]) {
  return { kind: { case: "ids", value: { ids: values } } } as const;
}

function clientOf(config: TokenizerConfig) {
  const bindings = [
    createTokenizer(config, { catalog: new ModelCatalog(config), registry: new Registry() }),
  ];
  return createLocalChannel({ role: "tokenizer", bindings, interceptors: [] }).client(
    TokenizerService,
  );
}
