import { deepEqual, equal, throws } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, symlinkSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { z } from "zod";
import { temporaryFolder, write } from "../../test/support/tiny-models.js";
import { ConfinedFolder } from "./confined-folder.js";

/** `model` beside `secret.json`, with `a.json` and `sub/b.json` in it. */
function setUp(t: TestContext): { root: string; path: string; folder: ConfinedFolder } {
  const root = temporaryFolder(t);
  const path = join(root, "model");
  write(root, { "secret.json": {}, "model/a.json": { x: 1 }, "model/sub/b.json": {} });
  return { root, path, folder: new ConfinedFolder(path) };
}

const anything = z.unknown();
const any = () => true;
const leaves = (path: string) => ({
  fault: "invalid",
  message: `${path}: leaves the model's folder`,
});

test("files are found by their paths in the folder", (t) => {
  const { path, folder } = setUp(t);
  equal(folder.find("a.json"), join(path, "a.json"));
  equal(folder.require("sub/b.json"), join(path, "sub/b.json"));
  equal(folder.find("c.json"), undefined);
  equal(folder.find("a.json/c.json"), undefined);
  throws(() => folder.require("c.json"), { message: "c.json: does not exist" });
});

test("paths that lead out of the folder are refused", (t) => {
  const { root, folder } = setUp(t);
  for (const path of ["../secret.json", "sub/../a.json", "..", "sub\\..\\a.json"]) {
    throws(() => folder.find(path), { fault: "invalid", message: /: leaves the model's folder$/ });
  }
  throws(() => folder.find("/etc/passwd"), leaves("/etc/passwd"));
  throws(() => folder.json(join(root, "model/a.json"), anything), { fault: "invalid" });
  throws(() => folder.find("a.json\0"), leaves('"a.json\\u0000"'));
});

test("links that lead out of the folder are refused, those within are followed", (t) => {
  const { root, path, folder } = setUp(t);
  symlinkSync("../secret.json", join(path, "out.json"));
  symlinkSync(root, join(path, "up"));
  symlinkSync("sub/b.json", join(path, "in.json"));
  symlinkSync("loop.json", join(path, "loop.json"));
  throws(() => folder.find("out.json"), leaves("out.json"));
  throws(() => folder.json("up/secret.json", anything), leaves("up/secret.json"));
  throws(() => folder.folders("", any), leaves("up"));
  equal(folder.find("in.json"), join(path, "in.json"));
  throws(() => folder.find("loop.json"), { message: "loop.json: cannot be read (ELOOP)" });
});

test("the folder itself may be a link", (t) => {
  const { root, path } = setUp(t);
  symlinkSync(path, join(root, "link"));
  equal(new ConfinedFolder(join(root, "link")).find("a.json"), join(root, "link/a.json"));
});

test("a folder beside it whose name begins alike is outside", (t) => {
  const { root, path, folder } = setUp(t);
  write(root, { "model2/c.json": {} });
  symlinkSync("../model2/c.json", join(path, "c.json"));
  throws(() => folder.find("c.json"), leaves("c.json"));
});

test("a folder that is not there is refused without saying where", () => {
  throws(() => new ConfinedFolder("/nowhere/model"), {
    fault: "invalid",
    message: "the model's folder does not exist",
  });
});

test("a file in place of the folder is refused", (t) => {
  const { path } = setUp(t);
  throws(() => new ConfinedFolder(join(path, "a.json")), { fault: "invalid" });
});

test("a folder or a pipe in place of a file is refused, and nothing waits for it", (t) => {
  const { path, folder } = setUp(t);
  execFileSync("mkfifo", [join(path, "pipe.json")]);
  const message = /: is not a regular file$/;
  throws(() => folder.json("sub", anything), { fault: "invalid", message });
  throws(() => folder.json("pipe.json", anything), { fault: "invalid", message });
});

test("folders are listed by name, and only those that are wanted", (t) => {
  const { path, folder } = setUp(t);
  mkdirSync(join(path, "more"));
  deepEqual(folder.folders("", any), ["more", "sub"]);
  deepEqual(
    folder.folders("", (name) => name !== "sub"),
    ["more"],
  );
  deepEqual(folder.folders("nothing", any), []);
  deepEqual(folder.folders("a.json", any), []);
});

test("JSON is checked, and what is wrong with it told", (t) => {
  const { path, folder } = setUp(t);
  const schema = z.object({ x: z.number() });
  deepEqual(folder.json("a.json", schema), { x: 1 });
  deepEqual(folder.findJson("a.json", schema), { x: 1 });
  equal(folder.findJson("c.json", schema), undefined);
  throws(() => folder.json("c.json", schema), { message: "c.json: does not exist" });
  throws(() => folder.json("sub/b.json", schema), {
    fault: "invalid",
    message: "sub/b.json: x: Invalid input: expected number, received undefined",
  });
  write(path, { "text.json": new TextEncoder().encode("{'x': 1}") });
  throws(() => folder.json("text.json", schema), { message: /^text\.json: is not JSON: / });
});

test("files over a bound are refused before they are read", (t) => {
  const { path, folder } = setUp(t);
  truncateSync(join(path, "a.json"), (64 << 20) + 1);
  throws(() => folder.json("a.json", anything), { message: "a.json: is over 67108864 bytes" });
  throws(() => folder.require("a.json", 1_000), { message: "a.json: is over 1000 bytes" });
});

test("JSON nested without end is an answer, not a crash", (t) => {
  const { path, folder } = setUp(t);
  write(path, { "deep.json": new TextEncoder().encode("[".repeat(5_000_000)) });
  throws(() => folder.json("deep.json", anything), { fault: "invalid" });
});
