import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { FakeHub, Mishap } from "./fake-hub.js";
import { modelFiles, readTree, type Setting, withHub } from "./pull-suite.js";

const path = "onnx/model.onnx";
const content = String(modelFiles()[path]);

/** The large file meets these mishaps, one at each try; then all is well. */
function trouble(hub: FakeHub, ...mishaps: readonly (Mishap | undefined)[]): void {
  const left = [...mishaps];
  hub.mishap = (asked) => (asked === path ? left.shift() : undefined);
}

function rangesOf({ hub }: Setting): (string | undefined)[] {
  return hub.asked.filter((asked) => asked.path === path).map(({ range }) => range);
}

async function withModel(use: (setting: Setting) => Promise<void>): Promise<void> {
  await withHub(async (setting) => {
    setting.hub.commit(modelFiles());
    await use(setting);
  });
}

test("a connection that breaks is resumed where it broke", () =>
  withModel(async (setting) => {
    const { hub, pull, folder, events } = setting;
    trouble(hub, { cutAfter: 100_000 }, { cutAfter: 50_000 });
    equal((await pull()).downloads, 4);
    deepEqual(rangesOf(setting), [undefined, "bytes=100000-", "bytes=150000-"]);
    ok(
      hub.asked.filter(({ range }) => range).every(({ ifRange }) => /^"\w+"$/.test(ifRange ?? "")),
    );
    equal(readTree(folder)[path], content);
    equal(events.filter(({ kind }) => kind === "retrying").length, 2);
  }));

test("a pull resumes what an earlier one left", () =>
  withModel(async (setting) => {
    const { hub, pull, folder } = setting;
    trouble(hub, { cutAfter: 100_000 });
    await rejects(pull({}, { PULL_RETRIES_MAX: "0" }), {
      fault: "unavailable",
      message: /127\.0\.0\.1:\d+ failed/,
    });
    equal(existsSync(folder), false, "nothing appears before all of it is there");
    hub.asked.length = 0;
    await pull();
    deepEqual(rangesOf(setting), ["bytes=100000-"]);
    deepEqual(hub.downloads, [path], "finished files are not fetched again");
    equal(readTree(folder)[path], content);
  }));

for (const [what, mishap, ranges] of [
  ["a server that ignores ranges", { ignoresRange: true }, 2],
  ["a file that changed its tag", { etag: '"other"' }, 2],
  ["a range of a file of another length", { headers: { "content-range": "bytes 1000-9/9" } }, 3],
  ["a range that begins elsewhere", { headers: { "content-range": "bytes 7-9/300000" } }, 3],
  ["another tag in spite of If-Range", { headers: { etag: '"other"' } }, 3],
  ["a refused range", { status: 416 }, 3],
] as const) {
  test(`${what} makes a file start again`, () =>
    withModel(async (setting) => {
      trouble(setting.hub, { cutAfter: 1_000 }, mishap);
      await setting.pull();
      deepEqual(rangesOf(setting), [undefined, "bytes=1000-", undefined].slice(0, ranges));
      equal(readTree(setting.folder)[path], content);
    }));
}

test("a weak tag is never sent as a condition", () =>
  withModel(async (setting) => {
    trouble(setting.hub, { cutAfter: 1_000, etag: 'W/"weak"' });
    await setting.pull();
    deepEqual(rangesOf(setting), [undefined, "bytes=1000-"]);
    ok(setting.hub.asked.every(({ ifRange }) => ifRange === undefined));
    equal(readTree(setting.folder)[path], content);
  }));

test("a silent hub meets the idle deadline, and the file is resumed", () =>
  withModel(async (setting) => {
    const { hub, pull, events, folder } = setting;
    trouble(hub, { silentAfter: 60_000 });
    await pull({}, { PULL_IDLE_TIMEOUT_MS: "200" });
    deepEqual(rangesOf(setting), [undefined, "bytes=60000-"]);
    ok(
      events.some((event) => event.kind === "retrying" && /nothing for 200 ms/.test(event.reason)),
    );
    equal(readTree(folder)[path], content);
  }));

test("a hub that stays silent is given up after the retries", () =>
  withModel(async (setting) => {
    const silent = { silentAfter: 0 };
    trouble(setting.hub, silent, silent, silent, silent);
    await rejects(setting.pull({}, { PULL_IDLE_TIMEOUT_MS: "100" }), {
      fault: "deadline",
      message: /127\.0\.0\.1:\d+ sent nothing for 100 ms/,
    });
    equal(rangesOf(setting).length, 3);
  }));

test("wrong bytes are fetched again", () =>
  withModel(async (setting) => {
    trouble(setting.hub, { isCorrupt: true });
    await setting.pull();
    deepEqual(rangesOf(setting), [undefined, undefined]);
    equal(readTree(setting.folder)[path], content);
  }));

test("wrong bytes after a resumption are fetched again from the start", () =>
  withModel(async (setting) => {
    trouble(setting.hub, { cutAfter: 1_000 }, { isCorrupt: true });
    await setting.pull();
    deepEqual(rangesOf(setting), [undefined, "bytes=1000-", undefined]);
    equal(readTree(setting.folder)[path], content);
  }));

test("bytes that are wrong twice are refused, and nothing of them stays", () =>
  withModel(async (setting) => {
    const { hub, pull, repository, folder } = setting;
    trouble(hub, { isCorrupt: true }, { isCorrupt: true });
    await rejects(pull(), {
      fault: "internal",
      message: /^onnx\/model\.onnx: the hub sent wrong bytes twice, not sha256 [0-9a-f]{64}$/,
    });
    equal(existsSync(folder), false);
    const left = Object.values(readTree(join(repository, "name")));
    ok(left.every((text) => text.length < 1_000));
  }));

test("wrong bytes of a small file are refused by git's checksum", () =>
  withModel(async ({ hub, pull }) => {
    hub.mishap = (asked) => (asked === "config.json" ? { isCorrupt: true } : undefined);
    await rejects(pull(), /^MeshError: config\.json: .* not git blob [0-9a-f]{40}$/);
  }));

test("a file of another length than the listed one is refused at once", () =>
  withModel(async ({ hub, pull }) => {
    trouble(hub, { headers: { "content-length": "5" } });
    await rejects(pull(), { message: /sends 5 bytes and lists 300000/ });
    equal(hub.downloads.filter((asked) => asked === path).length, 1);
  }));
