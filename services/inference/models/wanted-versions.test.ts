import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import type { Route, Serving } from "../../../lib/model-folder/serving.js";
import { temporaryFolder, writeIdentity } from "../../../test/support/tiny-models.js";
import { foldersOf, routesOf, wantedOf } from "./wanted-versions.js";

const folders = ["1", "2", "10"].map((version) => ({ version, path: `/${version}` }));

function route(version: string, weight = 1): Route {
  return { version, weight, label: undefined };
}

for (const [what, serving, versions, routes] of [
  ["the latest alone", { versions: "latest", routes: [] }, "10", "10"],
  ["all, and the latest answers", { versions: "all", routes: [] }, "1 2 10", "10"],
  ["a list, and the latest of it answers", { versions: ["1", "2"], routes: [] }, "1 2", "2"],
  ["a list in any order", { versions: ["10", "1"], routes: [] }, "1 10", "10"],
  ["what is routed to", { versions: "latest", routes: [route("2"), route("1")] }, "1 2", "2 1"],
  ["all, though not all are routed to", { versions: "all", routes: [route("1")] }, "1 2 10", "1"],
  ["a list, routed", { versions: ["1", "2"], routes: [route("1", 0), route("2")] }, "1 2", "1 2"],
] as const satisfies readonly (readonly [string, Serving, string, string])[]) {
  test(`serving.json asks for ${what}`, () => {
    const wanted = wantedOf(folders, serving, "tiny");
    equal(wanted.map(({ version }) => version).join(" "), versions);
    equal(
      routesOf(serving, wanted)
        .map(({ version }) => version)
        .join(" "),
      routes,
    );
  });
}

for (const [what, serving] of [
  ["in its list", { versions: ["1", "3"], routes: [] }],
  ["in a route", { versions: "latest", routes: [route("1"), route("3")] }],
  ["in a route beside all versions", { versions: "all", routes: [route("1"), route("3")] }],
] as const satisfies readonly (readonly [string, Serving])[]) {
  test(`a version that is not there ${what} is an error`, () => {
    throws(() => wantedOf(folders, serving, "tiny"), {
      fault: "invalid",
      message: "tiny has no version 3, which serving.json names",
    });
  });
}

test("a model without versions cannot be served", () => {
  throws(() => wantedOf([], { versions: "all", routes: [] }, "tiny"), {
    fault: "invalid",
    message: "tiny has no version to serve",
  });
});

test("a folder that is not there has no versions", (t) => {
  const folder = temporaryFolder(t);
  deepEqual(foldersOf(`${folder}/nowhere`), []);
  writeIdentity(`${folder}/2`);
  deepEqual(foldersOf(folder), [{ version: "2", path: `${folder}/2` }]);
});
