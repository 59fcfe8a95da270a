// `npm test [-- FILE...]`: whatever is missing, then every test, with node's test runner.

import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { prepare, root, run } from "./prepare.js";

/** Programs that tests run beside the mesh, and the Debian packages they come in. */
const programs = {
  "redis-server": "redis-server",
  chromium: "chromium",
  curl: "curl",
  prometheus: "prometheus",
};

prepare();
installPrograms();
const named = process.argv.slice(2);
const files = named.length > 0 ? named : testFiles();
process.exit(runTests(files));

/** Whatever has failed is told again at the very end: thousands of lines of what has passed are between. */
function runTests(files) {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-test-"));
  const failures = join(folder, "failures");
  const reporters = [
    [process.stdout.isTTY ? "spec" : "tap", "stdout"],
    [join(root, "tools/failed-tests.js"), failures],
  ].flatMap(([name, to]) => [`--test-reporter=${name}`, `--test-reporter-destination=${to}`]);
  const { status } = spawnSync(
    process.execPath,
    ["--enable-source-maps", "--test", ...reporters, ...files],
    { cwd: root, stdio: ["ignore", "inherit", "inherit"] },
  );
  if (status !== 0 && existsSync(failures)) {
    process.stderr.write(`\nFailed:\n${readFileSync(failures, "utf8")}`);
  }
  rmSync(folder, { recursive: true });
  return status ?? 1;
}

/** By apt where that is possible; otherwise the tests that need a program are skipped and say so. */
function installPrograms() {
  const missing = Object.keys(programs).filter((name) => !isInstalled(name));
  if (missing.length === 0) return;
  const canInstall = existsSync("/etc/debian_version") && process.getuid?.() === 0;
  if (!canInstall) {
    process.stderr.write(
      `Not installed: ${missing.join(", ")}. The tests that need them are skipped.\n`,
    );
    return;
  }
  const packages = missing.map((name) => programs[name]);
  process.env.DEBIAN_FRONTEND = "noninteractive";
  run("apt-get", "update", "-qq");
  run("apt-get", "install", "-y", "-qq", "--no-install-recommends", ...packages);
}

function isInstalled(name) {
  return (process.env.PATH ?? "").split(":").some((folder) => existsSync(join(folder, name)));
}

function testFiles() {
  return readdirSync(join(root, "dist"), { recursive: true })
    .map(String)
    .filter((file) => file.endsWith(".test.js"))
    .map((file) => join("dist", file))
    .sort();
}
