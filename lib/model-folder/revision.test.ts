import { equal, match, notEqual, throws } from "node:assert/strict";
import { renameSync, rmSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { temporaryFolder, write } from "../../test/support/tiny-models.js";
import { readRevision } from "./revision.js";

test("a revision is 16 hex digits, the same as long as the files are", (t) => {
  const folder = temporaryFolder(t);
  write(folder, { "config.json": {}, "onnx/model.onnx": {} });
  match(readRevision(folder), /^[0-9a-f]{16}$/);
  equal(readRevision(folder), readRevision(folder));
});

test("any change of a file changes the revision", (t) => {
  const folder = temporaryFolder(t);
  write(folder, { "config.json": {}, "onnx/model.onnx": {} });
  const seen = new Set([readRevision(folder)]);
  const changes: Record<string, () => void> = {
    "another size": () => write(folder, { "config.json": { x: 1 } }),
    "another time": () => utimesSync(join(folder, "config.json"), 1, 1),
    "another name": () => renameSync(join(folder, "config.json"), join(folder, "b.json")),
    "another folder": () => renameSync(join(folder, "onnx"), join(folder, "other")),
    "a new file": () => write(folder, { "heads/mood/config.json": {} }),
    "a file less": () => rmSync(join(folder, "b.json")),
    "a link": () => symlinkSync("other", join(folder, "onnx")),
  };
  for (const [name, change] of Object.entries(changes)) {
    change();
    const revision = readRevision(folder);
    equal(seen.has(revision), false, name);
    seen.add(revision);
  }
});

test("a link to a file changes with the file, as mounted configuration does", (t) => {
  const folder = temporaryFolder(t);
  const elsewhere = temporaryFolder(t);
  write(elsewhere, { "config.json": {} });
  symlinkSync(join(elsewhere, "config.json"), join(folder, "config.json"));
  const before = readRevision(folder);
  write(elsewhere, { "config.json": { x: 1 } });
  notEqual(readRevision(folder), before);
});

test("links in a circle end", (t) => {
  const folder = temporaryFolder(t);
  symlinkSync(".", join(folder, "self"));
  symlinkSync("broken", join(folder, "broken"));
  match(readRevision(folder), /^[0-9a-f]{16}$/);
});

test("a folder that is not there has no revision", () => {
  throws(() => readRevision("/nowhere/model"), {
    fault: "invalid",
    message: "the model's folder: cannot be read (ENOENT)",
  });
});
