// Where lines go: files that rotate, full disks, closed pipes, terminals, and the end of the process, whatever ends it.

import { deepEqual, equal, match, ok } from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { packageRoot } from "../lib/package-root.js";
import { freePort } from "./support/free-port.js";
import { readLines } from "./support/log-lines.js";
import { type RoleProcess, startRole } from "./support/mesh-process.js";
import { missing } from "./support/programs.js";
import { until } from "./support/until.js";

const main = join(packageRoot, "dist/services/main.js");

function openFolder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), "arrowmesh-log-output-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

/** The smallest process that there is. */
async function start(t: TestContext, env: NodeJS.ProcessEnv): Promise<RoleProcess> {
  const role = await startRole("ratelimit", { LOG_LEVEL: "info", ...env });
  t.after(() => role.stop());
  return role;
}

async function ask({ url }: RoleProcess): Promise<string> {
  const body = '{"domain":"none","descriptors":[{"entries":[{"key":"a","value":"b"}]}]}';
  const { headers } = await fetch(`${url}/json`, { method: "POST", body });
  return headers.get("x-request-id") ?? "";
}

const read = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");

test("a full disk stops neither requests nor the end of the process", async (t) => {
  const role = await start(t, { LOG_FILE: "/dev/full" });
  ok(await ask(role));
  await until(() => role.printed.stderr.includes("ENOSPC"));
  await sleep(2_500);
  ok(await ask(role));
  equal(role.printed.stderr.match(/no log lines can be written/g)?.length, 1);
  await role.stop();
  equal(await role.exited, 0);
});

test("a file that cannot be made is made as soon as it can, and nothing is lost", async (t) => {
  const folder = join(openFolder(t), "logs");
  writeFileSync(folder, "in the way");
  const path = join(folder, "role.log");
  const role = await start(t, { LOG_FILE: path });
  const id = await ask(role);
  await until(() => role.printed.stderr.includes("no log lines can be written"));
  rmSync(folder);
  await until(() => read(path).includes(id));
  match(read(path), /"message":"serving"/);
});

test("SIGHUP begins a new file under the same name", async (t) => {
  const path = join(openFolder(t), "role.log");
  const role = await start(t, { LOG_FILE: path });
  const first = await ask(role);
  await until(() => read(path).includes(first));
  renameSync(path, `${path}-20300101`);
  process.kill(role.pid, "SIGHUP");
  const second = await ask(role);
  await until(() => read(path).includes(second));
  ok(!read(path).includes(first));
  await role.stop();
  match(read(path), /"message":"ended"}\n$/);
});

test("all lines are out when a process ends in order", async (t) => {
  const role = await start(t, {});
  const ids = await Promise.all(Array.from({ length: 20 }, () => ask(role)));
  await role.stop();
  const lines = readLines(role.printed.stdout);
  const logged = new Set(lines.map(({ request_id }) => request_id));
  for (const id of ids) ok(logged.has(id));
  deepEqual(
    lines.slice(-2).map(({ message }) => message),
    ["draining", "ended"],
  );
});

test("an error that nobody catches is logged after all else, and without secrets", async (t) => {
  const password = "r3dis-Passw0rd";
  const crash = `process.on("SIGUSR2", () => { throw new RangeError("gone wrong with ${password}"); })`;
  const role = await start(t, {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(crash)}`,
    REDIS_PASSWORD: password,
  });
  const id = await ask(role);
  process.kill(role.pid, "SIGUSR2");
  equal(await role.exited, 1);
  await until(() => role.printed.stdout.includes("process failed"));
  const lines = readLines(role.printed.stdout);
  ok(lines.some(({ request_id }) => request_id === id));
  const last = lines.at(-1);
  deepEqual([last?.level, last?.message], ["fatal", "process failed"]);
  match(String(last?.cause), /^RangeError: gone wrong with \[secret\]\n +at /);
  match(role.printed.stderr, /^RangeError: gone wrong with \[secret\]$/m);
  ok(!`${role.printed.stdout}${role.printed.stderr}`.includes(password));
});

test("a reader of standard output that goes away takes nobody with it", async (t) => {
  const port = await freePort();
  const child = spawn(process.execPath, [main, "serve", "ratelimit"], {
    env: { ...process.env, LOG_LEVEL: "info", RATELIMIT_PORT: String(port) },
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  const printed = { stderr: "" };
  child.stderr.on("data", (chunk) => {
    printed.stderr += chunk;
  });
  await once(child.stdout, "data");
  child.stdout.destroy();
  const url = `http://127.0.0.1:${port}`;
  const answers = async () => (await fetch(`${url}/json`, { method: "POST", body: "{}" })).status;
  ok(await answers());
  await until(() => printed.stderr.includes("EPIPE"));
  ok(await answers());
  child.kill("SIGTERM");
  const [code] = await once(child, "exit");
  equal(code, 0);
});

test("people read sentences where that is asked for, and in a terminal", {
  skip: missing("script"),
}, async (t) => {
  const role = await start(t, { LOG_FORMAT: "pretty" });
  const id = await ask(role);
  await until(() => role.printed.stdout.includes(id));
  match(role.printed.stdout, /^\[\d\d:\d\d:\d\d\.\d{3}\] INFO: serving \{"role":"ratelimit",/m);

  const port = await freePort();
  const command = `exec ${process.execPath} ${main} serve ratelimit`;
  const terminal = spawn("script", ["-qec", command, "/dev/null"], {
    env: { ...process.env, LOG_LEVEL: "info", RATELIMIT_PORT: String(port) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = once(terminal, "exit");
  let shown = "";
  terminal.stdout.on("data", (chunk) => {
    shown += chunk;
  });
  try {
    await until(() => shown.includes("serving"));
  } finally {
    // What runs in a terminal ends when that is closed.
    terminal.kill();
    await ended;
  }
  ok(shown.includes("\u001b[32mINFO"), "in colours");
  ok(!shown.includes('{"level"'));
});
