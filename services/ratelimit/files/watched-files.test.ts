import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "../../../lib/clock.js";
import { Deferred } from "../../../lib/defer.js";
import { FakeClock } from "../../../lib/fake-clock.js";
import { InvalidFiles } from "./invalid-files.js";
import { readFiles, type TextFile } from "./read-files.js";
import { pollMs, settleMs, type WatchedFiles, watchFiles } from "./watched-files.js";

const waitMsMax = 20_000;

test("a file is read again when it is written, and what is wrong is told once and changes nothing", async (t) => {
  const path = join(folderOf(t), "f.yaml");
  writeFileSync(path, "1");
  const { watched, lines } = await open(t, path, systemClock);
  equal(watched.current, "1");
  writeFileSync(path, "2");
  await until(() => watched.current === "2");
  writeFileSync(path, "bad");
  await until(() => watched.reloads.refused === 1);
  // The same mistake, written anew, is not told again.
  writeFileSync(path, "bad");
  await sleep(3 * settleMs);
  equal(watched.current, "2");
  rmSync(path);
  await until(() => watched.reloads.refused === 2);
  writeFileSync(path, "3");
  await until(() => watched.current === "3");
  deepEqual(lines, [
    ["info", "limits reloaded", undefined],
    ["warn", "limits not reloaded, those before stay", [`${path}:1: bad`]],
    ["warn", "limits not reloaded, those before stay", [`${path}: not found`]],
    ["info", "limits reloaded", undefined],
  ]);
  deepEqual(watched.reloads, { accepted: 2, refused: 2 });
});

test("a file that is replaced by a rename is followed", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "f.yaml");
  writeFileSync(path, "1");
  const { watched } = await open(t, path, systemClock);
  for (const text of ["2", "3"]) {
    writeFileSync(join(folder, "next"), text);
    renameSync(join(folder, "next"), path);
    await until(() => watched.current === text);
  }
});

for (const name of ["f.yaml", ""]) {
  test(`a ConfigMap that is updated is followed, mounted as ${name || "a folder"}`, async (t) => {
    const folder = folderOf(t);
    await writeVersion(folder, "..v1", "1");
    symlinkSync("..v1", join(folder, "..data"));
    symlinkSync(join("..data", "f.yaml"), join(folder, "f.yaml"));
    const { watched } = await open(t, join(folder, name), systemClock);
    for (const text of ["2", "3"]) {
      // As kubelet does: a folder of the version, a symlink to it, renamed onto ..data; the old folder goes.
      await writeVersion(folder, `..v${text}`, text);
      symlinkSync(`..v${text}`, join(folder, "..data_tmp"));
      renameSync(join(folder, "..data_tmp"), join(folder, "..data"));
      rmSync(join(folder, `..v${Number(text) - 1}`), { recursive: true });
      await until(() => watched.current === text);
    }
  });
}

test("where the system tells nothing, files are read again every few seconds", async (t) => {
  const folder = folderOf(t);
  const inner = join(folder, "inner");
  await mkdir(inner);
  const path = join(inner, "f.yaml");
  writeFileSync(path, "1");
  const clock = new FakeClock();
  const { watched } = await open(t, path, clock);
  // The folder that is watched goes away, and another has its name.
  renameSync(inner, join(folder, "old"));
  await mkdir(inner);
  writeFileSync(path, "2");
  for (let nowMs = pollMs; watched.current !== "2"; nowMs += settleMs) {
    ok(nowMs < 3 * pollMs);
    await clock.moveTo(nowMs);
    await sleep(20);
  }
});

test("a file that still changes is not taken yet", async (t) => {
  const path = join(folderOf(t), "f.yaml");
  writeFileSync(path, "1");
  const clock = new FakeClock();
  const { watched } = await open(t, path, clock);
  writeFileSync(path, "2");
  let nowMs = pollMs;
  const step = async () => {
    await clock.moveTo(nowMs);
    await sleep(20);
    nowMs += settleMs;
  };
  await step();
  equal(watched.current, "1");
  writeFileSync(path, "23");
  await step();
  equal(watched.current, "1");
  await until(async () => {
    await step();
    return watched.current !== "1";
  });
  equal(watched.current, "23");
});

test("files that are wrong at the start are refused", async (t) => {
  const folder = folderOf(t);
  const path = join(folder, "f.yaml");
  const refusal = async (where: string): Promise<readonly string[]> => {
    try {
      await open(t, where, systemClock);
    } catch (error) {
      ok(error instanceof InvalidFiles);
      return error.problems;
    }
    return [];
  };
  deepEqual(await refusal(path), [`${path}: not found`]);
  deepEqual(await refusal(folder), [`${folder}: a folder without .yaml files`]);
  writeFileSync(path, "bad");
  deepEqual(await refusal(path), [`${path}:1: bad`]);
  writeFileSync(path, Buffer.from([0xc3, 0x28]));
  deepEqual(await refusal(path), [`${path}: not UTF-8`]);
  writeFileSync(path, Buffer.alloc((1 << 20) + 1, 0x20));
  deepEqual(await refusal(path), [`${path}: 1048577 bytes, over 1048576`]);
  await rejects(readFiles("/dev/null"), /not a file/);
});

test("a folder is its YAML files in the order of their names", async (t) => {
  const folder = folderOf(t);
  for (const name of ["b.yml", "a.yaml", "c.txt", ".hidden.yaml"]) {
    writeFileSync(join(folder, name), name);
  }
  const files = await readFiles(folder);
  deepEqual(
    files.map(({ text }) => text),
    ["a.yaml", "b.yml"],
  );
  for (let count = 0; count < 63; count += 1) writeFileSync(join(folder, `${count}.yaml`), "");
  await rejects(readFiles(folder), { problems: [`${folder}: 65 files, over 64`] });
});

interface Context {
  after(release: () => Promise<void> | void): void;
}

function folderOf(t: Context): string {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-files-"));
  t.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

async function writeVersion(folder: string, version: string, text: string): Promise<void> {
  await mkdir(join(folder, version));
  writeFileSync(join(folder, version, "f.yaml"), text);
}

async function open(t: Context, path: string, clock: typeof systemClock) {
  const lines: unknown[] = [];
  const deferred = new Deferred();
  t.after(() => deferred.releaseAll());
  const note = (level: string) => (fields: { problems?: readonly string[] }, message: string) =>
    lines.push([level, message, fields.problems]);
  // All that watching uses of a log.
  const log = { info: note("info"), warn: note("warn") } as never;
  const watched: WatchedFiles<string> = await watchFiles(
    { path, parse },
    { clock, defer: deferred.defer, log },
  );
  return { watched, lines };
}

function parse(files: readonly TextFile[]): string {
  const text = files.map((each) => each.text).join();
  if (text === "bad") throw new InvalidFiles([`${files[0]?.file}:1: bad`]);
  return text;
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + waitMsMax;
  while (!(await isTrue())) {
    ok(Date.now() < deadline, "not in time");
    await sleep(10);
  }
}
