// The command line client of envoyproxy/ratelimit, unchanged. Built by Go, once.

import { equal, match } from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type RoleProcess, startRole } from "../support/mesh-process.js";
import { cacheFolder, missing, run } from "../support/programs.js";

const version = "v1.4.1-0.20260122083618-3fb702589d36";
const program = join(cacheFolder, `envoy-ratelimit-client-${version}`);
const rules = `
domain: shop
descriptors:
  - key: tier
    value: gold
    descriptors:
      - { key: user, rate_limit: { name: gold_users, unit: year, requests_per_unit: 2 } }
  - { key: banned, rate_limit: { unit: day, requests_per_unit: 0 } }
`;
const skip = existsSync(program) ? false : missing("go");

describe("envoyproxy/ratelimit's client", { timeout: 400_000, skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-envoy-client-"));
  let role: RoleProcess;
  before(async () => {
    await buildOnce();
    const file = join(folder, "shop.yaml");
    writeFileSync(file, rules);
    role = await startRole("ratelimit", { RATELIMIT_ENVOY_CONFIG: file });
  });
  after(async () => {
    await role.stop();
    rmSync(folder, { recursive: true });
  });

  const ask = async (...descriptors: readonly string[]): Promise<string> => {
    const address = `127.0.0.1:${role.port}`;
    const args = ["-dial_string", address, "-domain", "shop"];
    for (const descriptor of descriptors) args.push("-descriptors", descriptor);
    const { code, stdout, stderr } = await run(program, args, { msMax: 20_000 });
    equal(code, 0, stdout + stderr);
    // Go varies the spaces of this text on purpose.
    return stdout.replace(/ +/g, " ");
  };

  test("sees a limit with its name, what is left of it, and its end", async () => {
    const gold = "tier=gold,user=ann";
    const first = await ask(gold);
    match(first, /overall_code:OK/);
    match(
      first,
      /current_limit:\{requests_per_unit:2 unit:YEAR name:"gold_users"\}|name:"gold_users"/,
    );
    match(first, /limit_remaining:1 duration_until_reset:\{seconds:\d+\}/);
    match(await ask(gold), /overall_code:OK/);
    match(await ask(gold), /overall_code:OVER_LIMIT statuses:\{code:OVER_LIMIT /);
  });

  test("sees each of several descriptors", async () => {
    const answer = await ask("tier=gold,user=bob", "banned=x", "unknown=y");
    match(answer, /overall_code:OVER_LIMIT/);
    equal(answer.match(/statuses:\{code:OK/g)?.length, 2);
    equal(answer.match(/statuses:\{code:OVER_LIMIT/g)?.length, 1);
  });
});

async function buildOnce(): Promise<void> {
  if (existsSync(program)) return;
  mkdirSync(cacheFolder, { recursive: true });
  const folder = mkdtempSync(join(cacheFolder, "envoy-ratelimit-client-"));
  const tool = `github.com/envoyproxy/ratelimit/src/client_cmd@${version}`;
  const env = { GOBIN: folder };
  const built = await run("go", ["install", tool], { env, msMax: 360_000 });
  equal(built.code, 0, built.stderr);
  // Under its name only when it is complete.
  renameSync(join(folder, "client_cmd"), program);
  rmSync(folder, { recursive: true });
}
