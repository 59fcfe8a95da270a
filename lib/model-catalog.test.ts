import { deepEqual, equal } from "node:assert/strict";
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { temporaryFolder } from "../test/support/tiny-models.js";
import { ModelCatalog } from "./model-catalog.js";

const first = { name: "owner/first", path: "/models/first" };

function createCatalog(t: TestContext) {
  const root = temporaryFolder(t);
  const models = join(root, "models");
  mkdirSync(models);
  const catalog = new ModelCatalog({
    modelId: first.name,
    modelPath: first.path,
    modelRepository: models,
  });
  return { root, models, catalog };
}

test("the default model goes by no name, by its name, and by its name without the owner", (t) => {
  const { catalog } = createCatalog(t);
  for (const name of ["", "owner/first", "first"]) deepEqual(catalog.find(name), first);
  for (const name of ["owner", "other/first", "First", "owner/"]) {
    equal(catalog.find(name), undefined, name);
  }
});

test("without a repository there is only the default model", () => {
  const config = { modelId: "a", modelPath: "/a", modelRepository: undefined };
  const catalog = new ModelCatalog(config);
  deepEqual(catalog.list(), [{ name: "a", path: "/a" }]);
  equal(catalog.find("b"), undefined);
});

test("a repository that is not there, or is a file, has no models", (t) => {
  const { models, catalog } = createCatalog(t);
  rmSync(models, { recursive: true });
  deepEqual(catalog.list(), [first]);
  equal(catalog.find("second"), undefined);
  writeFileSync(models, "");
  deepEqual(catalog.list(), [first]);
  equal(catalog.find("second"), undefined);
});

test("folders of the repository are models, and nothing else is; they come and go", (t) => {
  const { models, catalog } = createCatalog(t);
  for (const name of ["b", "a", ".hidden", "with space", "x..y"]) mkdirSync(join(models, name));
  writeFileSync(join(models, "file"), "");
  const names = () => catalog.list().map(({ name }) => name);
  deepEqual(names(), ["owner/first", "a", "b"]);
  deepEqual(catalog.find("a"), { name: "a", path: join(models, "a") });
  for (const name of ["file", ".hidden", "with space", "x..y", "c"]) {
    equal(catalog.find(name), undefined, name);
  }
  mkdirSync(join(models, "c"));
  rmSync(join(models, "a"), { recursive: true });
  deepEqual(names(), ["owner/first", "b", "c"]);
  equal(catalog.find("a"), undefined);
});

test("a name never leads out of the repository", (t) => {
  const { root, catalog } = createCatalog(t);
  mkdirSync(join(root, "outside"));
  for (const name of ["../outside", "..", ".", "/", join(root, "outside"), "a/../../outside"]) {
    equal(catalog.find(name), undefined, name);
  }
});

test("a link to a folder is a model as well, found and listed", (t) => {
  const { root, models, catalog } = createCatalog(t);
  mkdirSync(join(root, "elsewhere"));
  symlinkSync(join(root, "elsewhere"), join(models, "linked"));
  symlinkSync(join(root, "nowhere"), join(models, "dangling"));
  deepEqual(catalog.find("linked"), { name: "linked", path: join(models, "linked") });
  equal(catalog.find("dangling"), undefined);
  deepEqual(
    catalog.list().map(({ name }) => name),
    ["owner/first", "linked"],
  );
});

test("the default model may stand in the repository, and is listed once", (t) => {
  const { models } = createCatalog(t);
  for (const name of ["first", "second"]) mkdirSync(join(models, name));
  const modelPath = join(models, "first");
  const catalog = new ModelCatalog({ modelId: "o/first", modelPath, modelRepository: models });
  deepEqual(
    catalog.list().map(({ name }) => name),
    ["o/first", "second"],
  );
});
