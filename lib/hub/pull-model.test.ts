import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { sha256Of } from "./fake-hub.js";
import { modelFiles, readTree, withHub } from "./pull-suite.js";

const taken = ["1_Pooling/config.json", "config.json", "onnx/model.onnx", "tokenizer.json"];
const hash = "0".repeat(40);

test("a pull brings what serving needs, and a manifest that says what it is", () =>
  withHub(async ({ hub, pull, folder, repository }) => {
    const files = modelFiles();
    const commit = hub.commit(files);
    const pulled = await pull();
    equal(pulled.path, folder);
    equal(pulled.downloads, taken.length);
    const { "manifest.json": manifest, ...tree } = readTree(folder);
    deepEqual(tree, Object.fromEntries(taken.map((path) => [path, String(files[path])])));
    deepEqual(JSON.parse(manifest ?? ""), {
      source: "org/name",
      revision: commit,
      requested: "main",
      files: Object.fromEntries(
        taken.map((path) => {
          const bytes = Buffer.from(files[path] ?? "");
          return [path, { bytes: bytes.length, sha256: sha256Of(bytes) }];
        }),
      ),
    });
    deepEqual(readdirSync(join(repository, "name")), ["1"], "nothing is left of the work");
  }));

test("a second pull of the same revision checks and downloads nothing", () =>
  withHub(async ({ hub, pull, folder }) => {
    hub.commit(modelFiles());
    await pull();
    const before = lstatSync(folder).ino;
    hub.asked.length = 0;
    const again = await pull();
    equal(again.downloads, 0);
    deepEqual(hub.downloads, []);
    equal(lstatSync(folder).ino, before);
  }));

test("a commit that is there needs no hub", () =>
  withHub(async ({ hub, pull }) => {
    const revision = hub.commit(modelFiles());
    await pull({ revision });
    hub.asked.length = 0;
    equal((await pull({ source: `org/name@${revision}` })).downloads, 0);
    deepEqual(hub.asked, []);
  }));

test("a damaged or missing file is fetched again, the others are not", () =>
  withHub(async ({ hub, pull, folder }) => {
    hub.commit(modelFiles());
    await pull();
    const tree = readTree(folder);
    writeFileSync(join(folder, "tokenizer.json"), "[]");
    renameSync(join(folder, "config.json"), join(folder, "moved"));
    hub.asked.length = 0;
    equal((await pull()).downloads, 2);
    deepEqual(hub.downloads.sort(), ["config.json", "tokenizer.json"]);
    deepEqual(readTree(folder), tree);
  }));

test("another revision takes over in one step, and what both have is not fetched again", () =>
  withHub(async ({ hub, pull, folder, events }) => {
    hub.commit(modelFiles());
    await pull();
    const old = readTree(folder);
    const commit = hub.commit({ ...modelFiles("second"), "tokenizer_config.json": "{}" });
    let looks = 0;
    const push = events.push.bind(events);
    events.push = (event) => {
      deepEqual(readTree(folder), old);
      looks += 1;
      return push(event);
    };
    hub.asked.length = 0;
    const pulled = await pull();
    ok(looks > 5);
    equal(pulled.manifest.revision, commit);
    deepEqual(hub.downloads.sort(), ["config.json", "onnx/model.onnx", "tokenizer_config.json"]);
    const now = readTree(folder);
    equal(now["config.json"], '{"text":"second"}');
    equal(now["tokenizer.json"], "{}");
    equal(now["tokenizer_config.json"], "{}");
  }));

test("a pull that fails leaves the version as it was", () =>
  withHub(async ({ hub, pull, folder }) => {
    hub.commit(modelFiles());
    await pull();
    const old = readTree(folder);
    hub.commit(modelFiles("second"));
    hub.mishap = (path) => (path.endsWith(".onnx") ? { status: 503 } : undefined);
    await rejects(pull(), { fault: "unavailable" });
    deepEqual(readTree(folder), old);
  }));

test("half a swap is undone by the next pull", () =>
  withHub(async ({ hub, pull, repository, folder }) => {
    hub.commit(modelFiles());
    await pull();
    renameSync(folder, join(repository, "name/.1.old"));
    hub.asked.length = 0;
    equal((await pull()).downloads, 0);
    deepEqual(readdirSync(join(repository, "name")), ["1"]);
  }));

test("two pulls into one folder follow each other, and the second finds the work done", () =>
  withHub(async ({ hub, pull, events }) => {
    hub.commit(modelFiles());
    const [one, two] = await Promise.all([pull(), pull()]);
    deepEqual([one.downloads, two.downloads].sort(), [0, taken.length]);
    equal(hub.downloads.length, taken.length);
    ok(events.some(({ kind }) => kind === "waiting"));
  }));

test("name, version, revision and files can be chosen", () =>
  withHub(async ({ hub, pull, repository }) => {
    hub.commit(modelFiles());
    hub.commit({ ...modelFiles("old"), "onnx/model_int8.onnx": "int8" }, "v1.0");
    const include = ["onnx/model_int8.onnx"];
    const { path, manifest } = await pull({ name: "mini", version: 7, revision: "v1.0", include });
    equal(path, join(repository, "mini/7"));
    equal(manifest.requested, "v1.0");
    deepEqual(manifest.include, include);
    ok(existsSync(join(path, "onnx/model_int8.onnx")));
    equal(existsSync(join(path, "onnx/model.onnx")), false);
  }));

test("offline, what is there is used, and the hub never asked", () =>
  withHub(async ({ hub, pull, folder }) => {
    const commit = hub.commit(modelFiles());
    const offline = { HF_HUB_OFFLINE: "1" };
    await rejects(pull({}, offline), { fault: "unavailable", message: /HF_HUB_OFFLINE.*name\/1/ });
    deepEqual(hub.asked, []);
    await pull();
    hub.asked.length = 0;
    equal((await pull({}, offline)).manifest.revision, commit);
    equal((await pull({ revision: commit }, offline)).downloads, 0);
    await rejects(pull({ revision: "v2" }, offline), { fault: "unavailable" });
    await rejects(pull({ include: ["onnx/other.onnx"] }, offline), { fault: "unavailable" });
    writeFileSync(join(folder, "config.json"), "{}");
    await rejects(pull({}, offline), { fault: "unavailable" });
    deepEqual(hub.asked, []);
  }));

test("files over the limits are refused before any is downloaded", () =>
  withHub(async ({ hub, pull, folder }) => {
    hub.commit(modelFiles());
    const refusals = [
      [
        { PULL_FILE_BYTES_MAX: "1000" },
        /onnx\/model\.onnx has 300000 bytes, over PULL_FILE_BYTES_MAX/,
      ],
      [{ PULL_BYTES_MAX: "300000" }, /over PULL_BYTES_MAX \(300000\)/],
      [{ PULL_ENTRIES_MAX: "4" }, /lists more than 4 files/],
    ] as const;
    for (const [env, message] of refusals) {
      await rejects(pull({}, env), { fault: "too_large", message });
    }
    deepEqual(hub.downloads, []);
    equal(existsSync(folder), false);
  }));

for (const path of ["../x", "/etc/x", "a/../../x", "onnx/../../model.onnx", "a\\..\\..\\x"]) {
  test(`a hub that lists ${path} is not believed`, () =>
    withHub(async ({ hub, pull, repository }) => {
      hub.commit(modelFiles());
      hub.extraEntries = [{ type: "file", path, size: 1, oid: hash }];
      await rejects(pull(), { fault: "internal", message: /forbidden file name/ });
      deepEqual(hub.downloads, []);
      deepEqual(readdirSync(repository, { recursive: true }), ["name"]);
    }));
}

test("a file without a checksum is refused", () =>
  withHub(async ({ hub, pull }) => {
    hub.commit(modelFiles());
    for (const bad of [{ size: 1 }, { size: 1, oid: "x" }, { size: -1, oid: hash }]) {
      hub.extraEntries = [{ type: "file", path: "vocab.txt", ...bad }];
      await rejects(pull(), {
        fault: "internal",
        message: /"vocab\.txt" without size or checksum/,
      });
    }
    hub.extraEntries = [null];
    await rejects(pull(), { fault: "internal", message: /cannot be read/ });
  }));

test("a name that is no name never reaches the disk or the hub", () =>
  withHub(async ({ hub, pull, repository }) => {
    const bad = [
      { name: ".." },
      { name: "a/b" },
      { version: 0 },
      { version: 1.5 },
      { source: "../x" },
    ];
    for (const options of bad) await rejects(pull(options), { fault: "invalid" });
    deepEqual([hub.asked, readdirSync(repository)], [[], []]);
  }));

test("a folder that no pull wrote is left alone", () =>
  withHub(async ({ hub, pull, folder }) => {
    hub.commit(modelFiles());
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "mine"), "");
    await rejects(pull(), { fault: "invalid", message: /files that no pull wrote/ });
    const manifest = { source: "other/name", revision: hash, requested: "main", files: {} };
    writeFileSync(join(folder, "manifest.json"), JSON.stringify(manifest));
    await rejects(pull(), { fault: "invalid", message: /holds other\/name/ });
    writeFileSync(join(folder, "manifest.json"), "{}");
    await rejects(pull(), { fault: "invalid", message: /is not what a pull writes/ });
    ok(existsSync(join(folder, "mine")));
  }));

test("symbolic links in the place of folders are refused, and of files replaced", () =>
  withHub(async ({ hub, pull, repository, folder }) => {
    hub.commit(modelFiles());
    const elsewhere = join(repository, "elsewhere");
    mkdirSync(elsewhere);
    symlinkSync(elsewhere, join(repository, "name"));
    await rejects(pull(), { fault: "invalid", message: /symbolic link/ });
    deepEqual(readdirSync(elsewhere), []);
    renameSync(join(repository, "name"), join(repository, "other"));
    mkdirSync(join(repository, "name"));
    symlinkSync(elsewhere, folder);
    await rejects(pull(), { fault: "invalid", message: /symbolic link/ });
    renameSync(folder, join(repository, "third"));
    await pull();
    const config = join(folder, "config.json");
    renameSync(config, join(elsewhere, "config.json"));
    symlinkSync(join(elsewhere, "config.json"), config);
    equal((await pull()).downloads, 1);
    ok(lstatSync(config).isFile());
  }));

test("what an attempt for another revision left is not kept", () =>
  withHub(async ({ hub, pull, repository }) => {
    hub.commit(modelFiles());
    hub.mishap = () => ({ cutAfter: 1 });
    await rejects(pull(), { fault: "unavailable" });
    const objects = join(repository, "name/.1.pull/objects");
    const left = readdirSync(objects);
    ok(left.length > 0);
    hub.commit(modelFiles("second"));
    hub.mishap = (path) => (path === "onnx/model.onnx" ? { status: 500 } : undefined);
    await rejects(pull(), { fault: "unavailable" });
    deepEqual(
      readdirSync(objects).filter((name) => left.includes(name)),
      [],
    );
  }));

test("a pull ends when its caller or its time does", () =>
  withHub(async ({ hub, pull, repository }) => {
    hub.commit(modelFiles());
    hub.mishap = () => ({ silentAfter: 0 });
    await rejects(pull({ signal: AbortSignal.timeout(100) }), { fault: "cancelled" });
    await rejects(pull({ signal: AbortSignal.abort() }), { fault: "cancelled" });
    await rejects(pull({}, { PULL_TIMEOUT_MS: "100" }), { fault: "deadline" });
    deepEqual(readdirSync(join(repository, "name")), [".1.pull"], "the lock is released");
    hub.mishap = () => undefined;
    equal(readFileSync(join((await pull()).path, "tokenizer.json"), "utf8"), "{}");
  }));
