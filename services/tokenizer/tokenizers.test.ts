import { deepEqual, equal, notEqual, throws } from "node:assert/strict";
import { rmSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { ModelCatalog } from "../../lib/model-catalog.js";
import { readRevision } from "../../lib/model-folder/revision.js";
import {
  temporaryFolder,
  write,
  writeBroken,
  writeSimple,
  writeSplade,
} from "../../test/support/tiny-models.js";
import { tinyTokenizer, tinyVocabulary } from "../../test/support/tiny-tokenizer.js";
import { EncodingCache } from "./encoding-cache.js";
import { type OpenTokenizer, type TokenizerName, Tokenizers } from "./tokenizers.js";
import { WaitingBound } from "./waiting-bound.js";

/** Tokenizers of a repository whose default model is `owner/first`. */
function createTokenizers(t: TestContext, modelsMax = 4) {
  const root = temporaryFolder(t);
  const first = join(root, "first");
  writeSplade(first);
  const modelRepository = join(root, "models");
  const catalog = new ModelCatalog({ modelId: "owner/first", modelPath: first, modelRepository });
  const tokenizers = new Tokenizers(catalog, modelsMax, {
    bound: new WaitingBound({ waitingTextsMax: 100, waitingCharactersMax: 100_000 }),
    cache: new EncodingCache(0, { hit() {}, missed() {} }),
  });
  const get = (model: string, over: Partial<TokenizerName> = {}) =>
    tokenizers.get({ model, version: "", revision: "", ...over });
  return { first, modelRepository, get };
}

/** The tiny tokenizer with another order of words, so that ids tell which one it was. */
function writeShifted(folder: string, by: number): void {
  const words = tinyVocabulary.slice(5);
  const shifted = [...words.slice(by), ...words.slice(0, by)];
  const vocab = Object.fromEntries(
    [...tinyVocabulary.slice(0, 5), ...shifted].map((word, id) => [word, id]),
  );
  const { model, ...rest } = tinyTokenizer as { model: object };
  write(folder, { "tokenizer.json": { ...rest, model: { ...model, vocab } } });
}

async function idsOf(tokenizer: OpenTokenizer, text: string): Promise<number[]> {
  const [row] = await tokenizer.encoder.encode([text], { isPlaced: false, tokensMax: undefined });
  return [...(row?.ids ?? [])];
}

test("the default model goes by no name, by its name, and by its name without the owner", (t) => {
  const { get } = createTokenizers(t);
  const tokenizer = get("");
  equal(tokenizer.name, "owner/first");
  const ids = [...tinyVocabulary.keys(), tinyVocabulary.length];
  deepEqual(
    ids.map((id) => tokenizer.vocabulary.tokenOf(id)),
    [...tinyVocabulary, undefined],
  );
  for (const name of ["owner/first", "first"]) equal(get(name), tokenizer);
});

test("the same files are opened once, by whatever version and revision they are asked for", (t) => {
  const { get } = createTokenizers(t);
  const tokenizer = get("");
  equal(get("first", { version: "1", revision: "named" }), tokenizer);
  equal(get("first", { version: "1", revision: "otherwise" }), tokenizer);
});

test("each version has its own tokenizer; without a version it is the latest", async (t) => {
  const { modelRepository, get } = createTokenizers(t);
  for (const version of [1, 2, 10]) {
    const folder = join(modelRepository, "versions", `${version}`);
    writeSplade(folder);
    writeShifted(folder, version);
  }
  const idOf = async (version: string) => (await idsOf(get("versions", { version }), "cat"))[0];
  const words = tinyVocabulary.length - 5;
  deepEqual(
    await Promise.all(["1", "2", "10", ""].map(idOf)),
    [1, 2, 10, 10].map((by) => 5 + words - by),
  );
});

test("a new revision makes the files be read again, and the old one stays as it was", async (t) => {
  const { first, get } = createTokenizers(t);
  const before = get("first", { revision: "r1" });
  writeShifted(first, 3);
  utimesSync(join(first, "tokenizer.json"), 1, 1);
  equal(get("first", { revision: "r1" }), before);
  const after = get("first", { revision: "r2" });
  notEqual(after, before);
  notEqual((await idsOf(after, "cat"))[0], (await idsOf(before, "cat"))[0]);
});

test("what is open outlives its folder, and what is not is unknown", (t) => {
  const { first, get } = createTokenizers(t);
  const name = { version: "1", revision: "r1" };
  const tokenizer = get("first", name);
  rmSync(first, { recursive: true });
  equal(get("first", name), tokenizer);
  throws(() => get("first", { version: "1", revision: "r2" }), { fault: "invalid" });
});

test("the one that was not used for longest is closed", (t) => {
  const { modelRepository, get } = createTokenizers(t, 2);
  const open = (name: string) => {
    const revision = readRevision(join(modelRepository, name));
    return get(name, { version: "1", revision });
  };
  for (const name of ["a", "b", "c"]) writeSplade(join(modelRepository, name));
  const [a, b] = [open("a"), open("b")];
  equal(open("a"), a);
  open("c");
  equal(open("a"), a);
  notEqual(open("b"), b);
});

test("a tokenizer that is missing, broken or elsewhere is refused with the name of its file", (t) => {
  const { modelRepository, get } = createTokenizers(t);
  for (const name of ["missing", "broken", "linked"]) writeSplade(join(modelRepository, name));
  const fileOf = (name: string) => join(modelRepository, name, "tokenizer.json");
  rmSync(fileOf("missing"));
  write(join(modelRepository, "broken"), { "tokenizer.json": {} });
  rmSync(fileOf("linked"));
  symlinkSync(fileOf("broken"), fileOf("linked"));
  const cases = { missing: /does not exist/, broken: /is no tokenizer/, linked: /leaves/ };
  for (const [name, message] of Object.entries(cases)) {
    throws(() => get(name), { fault: "invalid", message: /^tokenizer\.json: / }, name);
    throws(() => get(name), { message });
  }
});

test("what is no text model, or not there, is refused", (t) => {
  const { modelRepository, get } = createTokenizers(t);
  writeSimple(join(modelRepository, "simple/1"));
  writeBroken(join(modelRepository, "broken/1"));
  throws(() => get("simple"), { fault: "invalid", message: "simple takes tensors, not text" });
  throws(() => get("broken"), { fault: "invalid" });
  for (const name of ["nope", "../models/simple", "owner/simple", "models"]) {
    throws(() => get(name), { fault: "not_found" }, name);
  }
  for (const version of ["2", "01", "canary", "."]) {
    throws(() => get("", { version }), { fault: "not_found" }, version);
  }
});
