import { deepEqual, throws } from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import {
  temporaryFolder,
  write,
  writeEmbedding,
  writeSimple,
} from "../../test/support/tiny-models.js";
import { findVersions } from "./versions.js";

test("versions are subfolders in the order of their numbers", (t) => {
  const folder = temporaryFolder(t);
  for (const name of ["10", "2", "1", "01", "0", "1.5", "-3", "latest", "onnx"]) {
    mkdirSync(join(folder, name));
  }
  write(folder, { "7": {}, "config.pbtxt": {} });
  deepEqual(
    findVersions(folder),
    ["1", "2", "10"].map((version) => ({ version, path: join(folder, version) })),
  );
});

test("a folder that is a model itself is its version 1", (t) => {
  const embedding = temporaryFolder(t);
  writeEmbedding(embedding);
  deepEqual(findVersions(embedding), [{ version: "1", path: embedding }]);
  const onnx = temporaryFolder(t);
  writeSimple(onnx);
  deepEqual(findVersions(onnx), [{ version: "1", path: onnx }]);
});

test("a folder without a model has no versions", (t) => {
  const folder = temporaryFolder(t);
  write(folder, { "README.md": {} });
  deepEqual(findVersions(folder), []);
});

test("a version that is a link out of the folder is refused", (t) => {
  const folder = temporaryFolder(t);
  symlinkSync(temporaryFolder(t), join(folder, "1"));
  throws(() => findVersions(folder), {
    fault: "invalid",
    message: "1: leaves the model's folder",
  });
});

test("a folder that is not there is refused", () => {
  throws(() => findVersions("/nowhere/model"), { fault: "invalid" });
});

test("versions that come and go while one looks are there or not, and spoil no other", async (t) => {
  const folder = temporaryFolder(t);
  const elsewhere = temporaryFolder(t);
  for (const name of ["1", "2"]) mkdirSync(join(folder, name));
  const over = new Int32Array(new SharedArrayBuffer(4));
  const paths = [join(folder, "1"), join(elsewhere, "1")];
  const mover = new Worker(moves, { eval: true, workerData: { over, paths } });
  const seen = new Set<string>();
  try {
    const giveUpAtMs = Date.now() + 20_000;
    for (let i = 0; i < 5_000 || (seen.size < 2 && Date.now() < giveUpAtMs); i += 1) {
      seen.add(
        findVersions(folder)
          .map(({ version }) => version)
          .join(),
      );
    }
  } finally {
    Atomics.store(over, 0, 1);
    await once(mover, "exit");
  }
  deepEqual([...seen].sort(), ["1,2", "2"]);
});

/** Moves a folder there and back again, without a pause, until it is told to end. */
const moves = `
  const { renameSync } = require("node:fs");
  const { over, paths: [here, there] } = require("node:worker_threads").workerData;
  while (Atomics.load(over, 0) === 0) {
    renameSync(here, there);
    renameSync(there, here);
  }
`;
