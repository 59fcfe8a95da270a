import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { isPathInside, readModelReference } from "./names.js";

test("a reference is org/name, with or without a revision", () => {
  const reference = { source: "org/name", name: "name", revision: "main" };
  deepEqual(readModelReference("org/name"), reference);
  deepEqual(readModelReference("org/name@v1.0"), { ...reference, revision: "v1.0" });
  deepEqual(readModelReference("org/name", "refs/pr/7"), { ...reference, revision: "refs/pr/7" });
  deepEqual(readModelReference("org/name@a", "a"), { ...reference, revision: "a" });
});

for (const raw of [
  "name",
  "org/name/more",
  "/name",
  "org/",
  "../name",
  "org/..",
  "org/.name",
  "org/na me",
  "org/name.git",
  "org/na--me",
  "org/name@",
  "org/name@a@b",
  "org/name@../main",
  "org/name@-x",
  "org/name@a b",
  "org/name@a//b",
  "org/name?x",
  "",
]) {
  test(`${JSON.stringify(raw)} is no reference`, () => {
    throws(() => readModelReference(raw), { name: "MeshError", fault: "invalid" });
  });
}

test("two different revisions are refused", () => {
  throws(() => readModelReference("org/name@a", "b"), /two revisions: "a" and "b"/);
});

test("a path that could leave its folder is not inside", () => {
  const outside = ["../x", "/x", "a/../../x", "a/./x", "a//x", "..", "", "a\\..\\x", "C:x", "a\0b"];
  for (const path of [...outside, "x".repeat(1_025)]) equal(isPathInside(path), false, path);
  for (const path of ["x", "onnx/model.onnx", "1_Pooling/config.json", "..x", "a b/ü"]) {
    equal(isPathInside(path), true, path);
  }
});
