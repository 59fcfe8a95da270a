import { deepEqual, throws } from "node:assert/strict";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { temporaryFolder, write, writeEmbedding } from "../../test/support/tiny-models.js";
import type { Head } from "../model-spec.js";
import { ConfinedFolder } from "./confined-folder.js";
import { readHeads } from "./heads.js";

function folderOf(t: TestContext): string {
  const folder = temporaryFolder(t);
  writeEmbedding(folder, { heads: ["mood"] });
  return folder;
}

function read(folder: string): readonly Head[] {
  return readHeads(new ConfinedFolder(folder), 1_000_000);
}

test("each folder of heads is a head; files and hidden folders are not", (t) => {
  const folder = folderOf(t);
  write(folder, { "heads/README.md": {}, "heads/.cache/x": {} });
  deepEqual(read(folder), [
    {
      name: "mood",
      file: join(folder, "heads/mood/head.onnx"),
      labels: ["NEGATIVE", "POSITIVE"],
    },
  ]);
});

test("a model without heads has none", (t) => {
  const folder = folderOf(t);
  rmSync(join(folder, "heads"), { recursive: true });
  deepEqual(read(folder), []);
});

test("a head needs its labels and its file", (t) => {
  const folder = folderOf(t);
  write(folder, { "heads/mood/config.json": { base_model: "x" } });
  throws(() => read(folder), { message: "heads/mood/config.json: expected id2label" });
  write(folder, { "heads/mood/config.json": { id2label: { 0: "x" } }, "heads/mood/head.onnx": {} });
  throws(() => read(folder), { message: /^heads\/mood\/head\.onnx: is not an ONNX model/ });
  rmSync(join(folder, "heads/mood/head.onnx"));
  throws(() => read(folder), { message: "heads/mood/head.onnx: does not exist" });
  rmSync(join(folder, "heads/mood/config.json"));
  throws(() => read(folder), { message: "heads/mood/config.json: does not exist" });
});

test("a head's name may stand in an address, and its folder not elsewhere", (t) => {
  const folder = folderOf(t);
  write(folder, { "heads/a b/config.json": {} });
  throws(() => read(folder), { fault: "invalid", message: "heads/a b: is no name for a head" });
  rmSync(join(folder, "heads/a b"), { recursive: true });
  symlinkSync(temporaryFolder(t), join(folder, "heads/other"));
  throws(() => read(folder), { message: "heads/other: leaves the model's folder" });
});
