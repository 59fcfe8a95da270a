import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Registry } from "prom-client";
import { OffsetUnit, TokenizerService } from "../../gen/arrowmesh/tokenizer/v1/tokenizer_pb.js";
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

test("what is no text, no id or no model is refused", async () => {
  await rejects(tokenizer.encode({ texts: [] }, context), { fault: "empty" });
  await rejects(tokenizer.encode({ texts: ["a", "\udc00"] }, context), { fault: "invalid" });
  await rejects(tokenizer.encode({ texts: ["a"], model: "other" }, context), {
    fault: "not_found",
  });
  await rejects(tokenizer.decode({ sequences: [{ ids: [30_522] }] }, context), {
    fault: "invalid",
  });
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
      return true;
    });
  }
});

test("a model without prompts has none by any name", async () => {
  const call = tokenizer.encode({ texts: ["a"], promptName: "query" }, context);
  await rejects(call, { fault: "invalid" });
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

function clientOf(config: TokenizerConfig) {
  const bindings = [
    createTokenizer(config, { catalog: new ModelCatalog(config), registry: new Registry() }),
  ];
  return createLocalChannel({ role: "tokenizer", bindings, interceptors: [] }).client(
    TokenizerService,
  );
}
