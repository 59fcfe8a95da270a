import { deepEqual, throws } from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { temporaryFolder, write } from "../../test/support/tiny-models.js";
import { readServing, type Serving } from "./serving.js";

function read(t: TestContext, content: unknown): Serving {
  const folder = temporaryFolder(t);
  write(folder, { "serving.json": content });
  return readServing(folder);
}

test("without the file, the latest version gets everything", (t) => {
  deepEqual(readServing(temporaryFolder(t)), { versions: "latest", routes: [] });
  deepEqual(read(t, {}), { versions: "latest", routes: [] });
});

test("versions may be named, and so may all", (t) => {
  deepEqual(read(t, { versions: "all" }).versions, "all");
  deepEqual(read(t, { versions: [1, 10] }).versions, ["1", "10"]);
});

test("routes share out requests by weight", (t) => {
  const routes = [
    { version: 1, weight: 90, label: "stable" },
    { version: 2, weight: 10 },
    { version: 3, weight: 0, label: "canary" },
  ];
  deepEqual(read(t, { versions: [1, 2, 3], routes }).routes, [
    { version: "1", weight: 90, label: "stable" },
    { version: "2", weight: 10, label: undefined },
    { version: "3", weight: 0, label: "canary" },
  ]);
});

test("what is wrong is told by the name of the file and the field", (t) => {
  const route = { version: 1, weight: 1 };
  const cases: readonly (readonly [unknown, RegExp])[] = [
    [[], /expected object/],
    [{ version: [1] }, /version/],
    [{ versions: "newest" }, /versions: /],
    [{ versions: [] }, /versions/],
    [{ versions: [0] }, /versions/],
    [{ versions: [1.5] }, /versions/],
    [{ versions: [1, 1] }, /versions: a version is there twice/],
    [{ routes: [] }, /routes: /],
    [{ routes: [{ version: 1 }] }, /routes\.0\.weight: /],
    [{ routes: [{ ...route, weight: -1 }] }, /routes\.0\.weight: /],
    [{ routes: [{ ...route, wieght: 1 }] }, /wieght/],
    [{ routes: [{ ...route, label: "2" }] }, /routes\.0\.label: .*not a number/],
    [{ routes: [{ ...route, label: "a/b" }] }, /routes\.0\.label: /],
    [{ routes: [route, route] }, /routes: a version has two routes/],
    [{ routes: [{ ...route, weight: 0 }] }, /routes: expected a weight above 0/],
    [{ versions: [2], routes: [route] }, /routes: version 1 is not among the versions/],
    [
      {
        routes: [
          { ...route, label: "x" },
          { version: 2, weight: 1, label: "x" },
        ],
      },
      /routes: a label is there twice/,
    ],
  ];
  for (const [content, problem] of cases) {
    throws(
      () => read(t, content),
      (error: Error) => {
        deepEqual((error as { fault?: string }).fault, "invalid");
        return error.message.startsWith("serving.json: ") && problem.test(error.message);
      },
      JSON.stringify(content),
    );
  }
});
