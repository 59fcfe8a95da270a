import { deepEqual, equal, match, ok } from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { missing } from "../../test/support/programs.js";
import { type Clock, systemClock } from "../clock.js";
import { FakeClock } from "../fake-clock.js";
import { type LogTarget, LogWriter } from "./log-writer.js";

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "arrowmesh-log-writer-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

function open(t: TestContext, path: string, flags: string | number = "a"): number {
  const descriptor = openSync(path, flags);
  t.after(() => closeSync(descriptor));
  return descriptor;
}

interface Told {
  readonly failures: string[];
  readonly dropped: number[];
}

function createWriter<C extends Clock = FakeClock>(target: Partial<LogTarget>, given?: C) {
  // Without a clock of its own a test gets one that stands still.
  const clock = given ?? (new FakeClock() as Clock as C);
  const told: Told = { failures: [], dropped: [] };
  const writer = new LogWriter({ open: () => 1, wrote() {}, ...target }, clock, {
    failed: (error) => told.failures.push(error.message),
    dropped: (lines) => told.dropped.push(lines),
  });
  return { writer, clock, told };
}

async function until(isTrue: () => boolean): Promise<void> {
  for (let turns = 0; turns < 2_000 && !isTrue(); turns += 1) await sleep(5);
  ok(isTrue(), "in time");
}

test("lines wait for company, but no longer than 100 ms", async (t) => {
  const path = join(folder(t), "log");
  const descriptor = open(t, path);
  const { writer, clock } = createWriter({ open: () => descriptor });
  writer.write("a\n");
  writer.write("b\n");
  await clock.moveTo(99);
  equal(readFileSync(path, "utf8"), "");
  await clock.moveTo(100);
  await until(() => readFileSync(path, "utf8") === "a\nb\n");
});

test("many lines go out whole and in order", async (t) => {
  const path = join(folder(t), "log");
  const descriptor = open(t, path);
  const { writer } = createWriter({ open: () => descriptor }, systemClock);
  const lines = Array.from({ length: 5_000 }, (_, at) => `${at} ${"ü".repeat(at % 50)}\n`);
  for (const [at, line] of lines.entries()) {
    writer.write(line);
    if (at % 700 === 0) await new Promise(setImmediate);
  }
  const all = lines.join("");
  await until(() => readFileSync(path, "utf8").length === all.length);
  equal(readFileSync(path, "utf8"), all);
});

test("at the end, what waits is written before the call returns, and what comes later at once", (t) => {
  const path = join(folder(t), "log");
  const descriptor = open(t, path);
  const { writer } = createWriter({ open: () => descriptor });
  writer.write("waits\n");
  writer.end();
  equal(readFileSync(path, "utf8"), "waits\n");
  writer.write("late\n");
  equal(readFileSync(path, "utf8"), "waits\nlate\n");
});

test("a full disk is said once, costs lines beyond the bound only, and the end does not wait for it", async (t) => {
  const full = open(t, "/dev/full", constants.O_WRONLY);
  const path = join(folder(t), "log");
  const good = open(t, path);
  let descriptor = full;
  const { writer, clock, told } = createWriter({ open: () => descriptor });
  const line = `${"x".repeat(1_023)}\n`;
  for (let count = 0; count < 100; count += 1) writer.write(line);
  await until(() => told.failures.length > 0);
  match(told.failures[0] ?? "", /ENOSPC/);
  // 1 Mi characters wait.
  for (let count = 0; count < 2_000; count += 1) writer.write(line);
  await clock.moveTo(1_000);
  await sleep(20);
  equal(told.failures.length, 1);
  deepEqual(told.dropped, []);

  descriptor = good;
  await clock.moveTo(3_000);
  await until(() => told.dropped.length > 0);
  const linesOf = () => readFileSync(path, "utf8").length / line.length;
  await until(() => linesOf() + (told.dropped[0] ?? 0) === 2_100);
  const written = linesOf();
  ok(written >= 1_024, `${written} lines were kept`);

  descriptor = full;
  writer.write(line);
  writer.end();
});

test("a file that cannot be opened is tried again", async (t) => {
  const path = join(folder(t), "log");
  let descriptor: number | undefined;
  const { writer, clock, told } = createWriter({
    open() {
      if (descriptor === undefined) throw new Error("EACCES: not yours");
      return descriptor;
    },
  });
  writer.write("patient\n");
  await clock.moveTo(100);
  await clock.moveTo(1_100);
  deepEqual(told.failures, ["EACCES: not yours"]);
  descriptor = open(t, path);
  await clock.moveTo(2_100);
  await until(() => readFileSync(path, "utf8") === "patient\n");
});

test("a slow reader gets everything, and holds nobody up", {
  skip: missing("mkfifo"),
}, async (t) => {
  const path = folder(t);
  const pipe = join(path, "pipe");
  execFileSync("mkfifo", [pipe]);
  // Open on both sides, so that nothing waits for a reader to come.
  const descriptor = open(t, pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const { writer, told } = createWriter({ open: () => descriptor }, systemClock);
  const lines = Array.from({ length: 500 }, (_, at) => `${String(at).padEnd(999, ".")}\n`);
  // A pipe has room for 64 KiB: the rest waits here.
  for (const line of lines) writer.write(line);
  const reader = spawn("sh", ["-c", "exec cat < pipe > read"], { cwd: path });
  const ended = once(reader, "exit");
  const read = join(path, "read");
  await until(() => existsSync(read) && readFileSync(read, "utf8").length === 500_000);
  equal(readFileSync(read, "utf8"), lines.join(""));
  deepEqual(told.failures, []);
  reader.kill();
  await ended;
});
