import { equal, match } from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../lib/package-root.js";

test("arrowmesh ratelimit check says what is in files, and fails for any that is wrong", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-check-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const wrong = join(folder, "wrong.yaml");
  writeFileSync(wrong, "limits:\n  - name: a\n    counts: request\n    per: [ip]\n");
  const good = "policies/default.yaml";

  const one = check(good);
  equal(one.status, 0, one.stderr);
  match(one.stdout, /^policies\/default\.yaml: ok, 10 limits\n {2}name +counts +per/);
  match(one.stdout, /\n {2}free-requests +requests +caller +10 per 1m, burst 10 +tier=free/);

  const both = check(wrong, good, join(folder, "none.yaml"));
  equal(both.status, 1);
  equal(
    both.stderr,
    `${wrong}:3: counts: expected one of requests, tokens, concurrent_requests, found "request"\n` +
      `${join(folder, "none.yaml")}: not found\n`,
  );
  match(both.stdout, /^policies\/default\.yaml: ok/);
});

test("a service with a wrong file does not start, and says every line of it", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-check-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "limits.yaml");
  writeFileSync(path, "limits:\n  - {}\n");
  const env = { RATELIMIT_POLICY_FILE: path, RATELIMIT_PORT: "0" };
  const { status, stderr } = run(["serve", "ratelimit"], env);
  equal(status, 1);
  match(stderr, /^\S+limits\.yaml:2: name: missing\n\S+limits\.yaml:2: counts: missing/);
});

function check(...paths: readonly string[]) {
  return run(["ratelimit", "check", ...paths], {});
}

function run(args: readonly string[], env: NodeJS.ProcessEnv) {
  const main = join(packageRoot, "dist/services/main.js");
  return spawnSync(process.execPath, [main, ...args], {
    cwd: packageRoot,
    env: { PATH: process.env.PATH, ...env },
    encoding: "utf8",
    timeout: 60_000,
  });
}
