// Brings a checkout into a state that runs: dependencies as the lockfile says, and a fresh build.

import { spawnSync } from "node:child_process";
import { rmSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const nodeMajorMin = 20;

export function prepare() {
  if (Number(process.versions.node.split(".")[0]) < nodeMajorMin) {
    fail(`Node >= ${nodeMajorMin} is needed; this is ${process.version}.`);
  }
  install();
  build();
}

/** `npm ci`, unless npm has installed since the lockfile changed. */
function install() {
  const changedMs = (file) => statSync(join(root, file), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  if (changedMs("node_modules/.package-lock.json") > changedMs("package-lock.json")) return;
  process.stderr.write("Installing dependencies (npm ci)...\n");
  npm("ci", "--no-audit", "--no-fund");
}

/** From scratch, because tsc leaves the output of deleted files behind. */
function build() {
  process.stderr.write("Building...\n");
  rmSync(join(root, "dist"), { recursive: true, force: true });
  npm("run", "--silent", "build");
}

export function npm(...args) {
  const cli = process.env.npm_execpath;
  const [command, ...before] = cli === undefined ? ["npm"] : [process.execPath, cli];
  run(command, ...before, ...args);
}

/** Runs a command in the foreground; its failure is ours. Its output goes to stderr: stdout is the program's. */
export function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2] });
  if (status !== 0) fail(`${command} ${args.join(" ")} failed${error ? `: ${error.message}` : ""}`);
}

export function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
