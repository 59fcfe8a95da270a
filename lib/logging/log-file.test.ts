import { deepEqual, equal, ok, throws } from "node:assert/strict";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { LogFile, type LogFileOptions } from "./log-file.js";

function openFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "arrowmesh-log-file-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function append(file: LogFile, text: string): void {
  file.wrote(writeSync(file.open(), text));
}

function rotated(t: TestContext, options: Partial<LogFileOptions>): [string, LogFile] {
  const path = join(openFolder(t), "logs", "mesh.log");
  return [path, new LogFile({ path, bytesMax: 10, filesMax: 3, ...options })];
}

test("a file that is full gets a number, and as many are kept as wanted", (t) => {
  const [path, file] = rotated(t, {});
  for (const text of ["first 9..\n", "second..\n", "2\n", "third....\n", "fourth...\n"]) {
    append(file, text);
  }
  deepEqual(readdirSync(join(path, "..")).toSorted(), ["mesh.log", "mesh.log.1", "mesh.log.2"]);
  equal(readFileSync(path, "utf8"), "fourth...\n");
  equal(readFileSync(`${path}.1`, "utf8"), "third....\n");
  equal(readFileSync(`${path}.2`, "utf8"), "second..\n2\n");
});

test("a single file begins anew", (t) => {
  const [path, file] = rotated(t, { filesMax: 1 });
  for (const text of ["aaaaaaaaa\n", "bbbbbbbbb\n", "c\n"]) append(file, text);
  deepEqual(readdirSync(join(path, "..")), ["mesh.log"]);
  equal(readFileSync(path, "utf8"), "c\n");
});

test("a process that starts again goes on where the last one ended", (t) => {
  const [path, file] = rotated(t, {});
  append(file, "12345678\n");
  const next = new LogFile({ path, bytesMax: 10, filesMax: 3 });
  append(next, "9\n");
  append(next, "new\n");
  equal(readFileSync(`${path}.1`, "utf8"), "12345678\n9\n");
  equal(readFileSync(path, "utf8"), "new\n");
});

test("after a file was moved away, a new one begins", (t) => {
  const [path, file] = rotated(t, {});
  append(file, "old\n");
  renameSync(path, `${path}-20300101`);
  append(file, "old\n");
  file.reopen();
  append(file, "new\n");
  equal(readFileSync(`${path}-20300101`, "utf8"), "old\nold\n");
  equal(readFileSync(path, "utf8"), "new\n");
});

test("others than owner and group cannot read a log", (t) => {
  const [path, file] = rotated(t, {});
  append(file, "a\n");
  equal(statSync(path).mode & 0o007, 0);
});

test("a folder that cannot be made is an error each time, and none once it can", (t) => {
  const [path, file] = rotated(t, {});
  const folder = join(path, "..");
  writeFileSync(folder, "in the way");
  throws(() => file.open(), /EEXIST|ENOTDIR/);
  rmSync(folder);
  append(file, "a\n");
  ok(existsSync(path));
});
