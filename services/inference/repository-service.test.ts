import { deepEqual, equal, match, rejects } from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { RepositoryService, VersionState } from "../../gen/arrowmesh/inference/v1/repository_pb.js";
import { createLocalChannel } from "../../lib/rpc/local-channel.js";
import { callContext } from "../../test/support/call-context.js";
import { repositoryOf } from "../../test/support/inference.js";
import { temporaryFolder, writeBroken, writeIdentity } from "../../test/support/tiny-models.js";
import { createRepositoryService } from "./repository-service.js";

/** A default model with two versions of which the latest serves, and one that is broken. */
async function create(t: TestContext, isControlAllowed = true) {
  const root = temporaryFolder(t);
  const env = { MODEL_ID: "owner/first", MODEL_PATH: join(root, "first") };
  for (const version of [1, 2]) writeIdentity(join(root, `first/${version}`));
  writeIdentity(join(root, "second"));
  writeBroken(join(root, "broken"));
  const repository = repositoryOf(t, root, "first", { env });
  await repository.load("");
  const bindings = [createRepositoryService({ isControlAllowed }, repository)];
  const channel = createLocalChannel({ role: "inference", bindings, interceptors: [] });
  const client = channel.client(RepositoryService);
  const list = async () => (await client.listVersions({}, callContext())).versions;
  return { client, repository, list };
}

type Versions = Awaited<ReturnType<Awaited<ReturnType<typeof create>>["list"]>>;
const nameOf = new Map<number, string>(
  Object.entries(VersionState).map(([name, state]) => [state, name]),
);
const statesOf = (versions: Versions) =>
  versions.map(({ model, version, state }) => `${model} ${version} ${nameOf.get(state)}`);

test("versions are listed in their states, with revisions of what serves", async (t) => {
  const { list } = await create(t);
  const versions = await list();
  deepEqual(statesOf(versions).sort(), [
    "broken 1 UNAVAILABLE",
    "owner/first 1 UNAVAILABLE",
    "owner/first 2 READY",
    "second 1 UNAVAILABLE",
  ]);
  for (const { state, reason, revision } of versions) {
    const isReady = state === VersionState.READY;
    match(revision, isReady ? /^[0-9a-f]{16}$/ : /^$/);
    equal(reason, isReady ? "" : "not loaded");
  }
});

test("a model that was loaded is answered with its versions, by whatever name", async (t) => {
  const { client } = await create(t);
  for (const [model, states] of [
    ["second", ["second 1 READY"]],
    ["", ["owner/first 1 UNAVAILABLE", "owner/first 2 READY"]],
    ["first", ["owner/first 1 UNAVAILABLE", "owner/first 2 READY"]],
    ["owner/first", ["owner/first 1 UNAVAILABLE", "owner/first 2 READY"]],
  ] as const) {
    deepEqual(statesOf((await client.loadModel({ model }, callContext())).versions), states);
  }
});

test("a model that cannot be loaded says why, in the list too", async (t) => {
  const { client, list } = await create(t);
  const message = /is not an ONNX model/;
  await rejects(client.loadModel({ model: "broken" }, callContext()), {
    fault: "invalid",
    message,
  });
  const broken = (await list()).find(({ model }) => model === "broken");
  equal(broken?.state, VersionState.UNAVAILABLE);
  match(String(broken?.reason), message);
  await rejects(client.loadModel({ model: "none" }, callContext()), { fault: "not_found" });
});

test("an unloaded model is gone until it is loaded again", async (t) => {
  const { client, list } = await create(t);
  await client.unloadModel({ model: "first" }, callContext());
  const first = (await list()).find(({ model, version }) => {
    return model === "owner/first" && version === "2";
  });
  deepEqual([first?.state, first?.reason], [VersionState.UNAVAILABLE, "unloaded"]);
  await rejects(client.unloadModel({ model: "first" }, callContext()), { fault: "not_found" });
});

test("routes are those of the last call", async (t) => {
  const { client, repository } = await create(t);
  const routes = [{ version: "2", weight: 3, label: "stable" }];
  await client.routeModel({ model: "first", routes }, callContext());
  equal(repository.resolve("", "stable").version, "2");
  const [model] = repository.loaded();
  if (model === undefined) throw new Error("nothing serves");
  deepEqual(repository.routesOf(model), routes);
  await client.routeModel({ model: "", routes: [{ version: "2", weight: 1 }] }, callContext());
  deepEqual(repository.routesOf(model), [{ version: "2", weight: 1, label: undefined }]);
});

const two = { version: "2", weight: 1, label: "" };
for (const [what, routes, fault, message] of [
  ["no route", [], "invalid", /weight above 0/],
  ["no weight", [{ ...two, weight: 0 }], "invalid", /weight above 0/],
  ["a label that is a number", [{ ...two, label: "7" }], "invalid", /label/],
  ["a label with a slash", [{ ...two, label: "a/b" }], "invalid", /label/],
  ["a label that is too long", [{ ...two, label: "x".repeat(65) }], "invalid", /label/],
  ["a version twice", [two, two], "invalid", /two routes/],
  [
    "a label twice",
    [
      { ...two, label: "a" },
      { ...two, version: "1", label: "a" },
    ],
    "invalid",
    /label is there twice/,
  ],
  ["a version that does not serve", [{ ...two, version: "1" }], "not_found", /does not serve/],
  ["an unknown version", [{ ...two, version: "x" }], "not_found", /does not serve/],
] as const) {
  test(`${what}: refused, and the routes stay`, async (t) => {
    const { client, repository } = await create(t);
    const call = client.routeModel({ model: "first", routes: [...routes] }, callContext());
    await rejects(call, { fault, message });
    equal(repository.resolve("", "").version, "2");
    throwsNotFound(() => repository.resolve("", "a"));
  });
}

test("where control is not allowed, models can be listed and nothing else", async (t) => {
  const { client, list, repository } = await create(t, false);
  equal((await list()).length, 4);
  const refused = { fault: "forbidden", message: /MODEL_CONTROL=none/ };
  await rejects(client.loadModel({ model: "second" }, callContext()), refused);
  await rejects(client.unloadModel({ model: "first" }, callContext()), refused);
  await rejects(client.routeModel({ model: "first", routes: [two] }, callContext()), refused);
  equal(repository.loaded().length, 1);
});

function throwsNotFound(act: () => unknown): void {
  let fault: unknown;
  try {
    act();
  } catch (error) {
    ({ fault } = error as { fault: unknown });
  }
  equal(fault, "not_found");
}
