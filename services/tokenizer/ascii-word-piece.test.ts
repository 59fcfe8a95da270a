import { deepEqual, equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { openBareTokenizer } from "../../test/support/bare-tokenizer.js";
import { seeded } from "../../test/support/random.js";
import { randomAscii, randomText } from "../../test/support/random-texts.js";
import { tinyTokenizer } from "../../test/support/tiny-tokenizer.js";
import { byteLevelBpe, unigram } from "../../test/support/tiny-tokenizers.js";
import { AsciiWordPiece } from "./ascii-word-piece.js";
import type { TokenRow } from "./token-row.js";

const folder = join(packageRoot, "models/all-MiniLM-L6-v2");
const json = JSON.parse(readFileSync(join(folder, "tokenizer.json"), "utf8")) as Json;

interface Json {
  readonly normalizer: object;
  readonly model: { readonly vocab: Readonly<Record<string, number>> };
  readonly added_tokens: readonly object[];
}

async function read(json: object): Promise<AsciiWordPiece> {
  const tokenizer = await AsciiWordPiece.read(json);
  ok(tokenizer !== undefined);
  return tokenizer;
}

/** In parts of `step` characters, as a long text is. */
function encode(tokenizer: AsciiWordPiece, text: string, step = text.length): TokenRow {
  const row = tokenizer.createRow(true);
  let from = 0;
  while (from < text.length) {
    from = tokenizer.encode(text, { from, to: Math.min(text.length, from + step) }, row);
  }
  return row.finish();
}

test("what it takes, it encodes as the library does, in one part or in many", async (t) => {
  const tokenizer = await read(json);
  const bare = openBareTokenizer(folder);
  const random = seeded(t);
  let taken = 0;
  for (let round = 0; round < 1_000; round += 1) {
    const text = randomAscii(random, 30);
    if (!tokenizer.takes(text)) continue;
    taken += 1;
    const expected = await bare.encode(text, null, { addSpecialTokens: false });
    for (const step of [text.length, 1 + random.int(20)]) {
      const { ids, places } = encode(tokenizer, text, step);
      deepEqual(ids, expected.getIds(), JSON.stringify(text));
      deepEqual(places?.tokens, expected.getTokens());
      const offsets = ids.map((_, index) => [places?.starts[index], places?.ends[index]]);
      deepEqual(offsets, expected.getOffsets());
    }
  }
  ok(taken > 500);
});

test("each word of the vocabulary, and each with a letter more, is encoded as the library does", async () => {
  const tokenizer = await read(json);
  const bare = openBareTokenizer(folder);
  const words = Object.keys(json.model.vocab).map((word) => word.replace("##", ""));
  const texts = words.flatMap((word) => [word, `${word}x`]).filter((text) => tokenizer.takes(text));
  ok(texts.length > 40_000);
  const expected = await bare.encodeBatch(texts, { addSpecialTokens: false });
  for (const [index, text] of texts.entries()) {
    deepEqual(encode(tokenizer, text).ids, expected[index]?.getIds(), text);
  }
});

test("it takes no text that is not of ASCII alone, and none with an added token", async (t) => {
  const tokenizer = await read(json);
  const random = seeded(t);
  for (let round = 0; round < 1_000; round += 1) {
    const text = randomText(random, 10);
    if (tokenizer.takes(text)) ok(/^[\t\n\r -~]*$/.test(text), JSON.stringify(text));
  }
  for (const text of ["[MASK]", "a [mask]", "[[SEP]]", "a\u0000", "\u007f", "\u00e9", "\v"]) {
    equal(tokenizer.takes(text), false, JSON.stringify(text));
  }
  for (const text of ["", " ", "[MAS", "a [b] c", "~\t\r\n"])
    equal(tokenizer.takes(text), true, text);
});

test("a tokenizer with upper case keeps it", async () => {
  const cased = await read({ ...json, normalizer: { ...json.normalizer, lowercase: false } });
  deepEqual(encode(cased, "Hello hello").places?.tokens, ["[UNK]", "hello"]);
});

test("tokenizers that it cannot stand for are left to the library", async () => {
  const { model, ...rest } = tinyTokenizer as { readonly model: { readonly vocab: object } };
  const others = [
    byteLevelBpe,
    unigram,
    { ...tinyTokenizer, normalizer: { type: "NFKC" } },
    { ...tinyTokenizer, pre_tokenizer: { type: "Whitespace" } },
    { ...tinyTokenizer, added_tokens: [{ content: "\u00fcber" }] },
    { ...rest, model: { ...model, unk_token: "[NONE]" } },
    { ...rest, model: { ...model, vocab: null } },
    null,
  ];
  for (const other of others) equal(await AsciiWordPiece.read(other), undefined);
  ok(await AsciiWordPiece.read(tinyTokenizer));
});
