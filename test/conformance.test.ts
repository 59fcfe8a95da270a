// The conformance suite of the Connect project: its own clients call our public port, over every protocol, version of
// HTTP, codec and compression, in cleartext, by TLS, and with client certificates.

import { equal, match, ok } from "node:assert/strict";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { packageRoot } from "../lib/package-root.js";
import { cacheFolder, missing, run } from "./support/programs.js";

const version = "v1.0.6";
const folder = join(cacheFolder, `connectconformance-${version}`);
const program = join(folder, "connectconformance");
/** Of more than 5,000. */
const retriedCasesMax = 3;
const server = join(packageRoot, "dist/test/conformance/server.js");

describe("connectconformance", {
  timeout: 700_000,
  skip: existsSync(program) ? false : missing("go"),
}, () => {
  before(buildOnce);

  test("every case passes", async (t) => {
    const { code, output } = await runCases([]);
    // So that a configuration that runs next to nothing does not pass.
    match(output, /^Total cases: 5\d{3}$/m);
    if (code === 0) return;
    // On a busy machine one connection of thousands may end early; what is wrong stays wrong.
    const failed = [...output.matchAll(/^FAILED: (.+):$/gm)].map(([, name = ""]) => name);
    ok(failed.length > 0 && failed.length <= retriedCasesMax, output);
    t.diagnostic(`asked again: ${failed.join(", ")}`);
    const again = await runCases(failed.flatMap((name) => ["--run", name]));
    equal(again.code, 0, again.output);
  });
});

async function runCases(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const config = join(packageRoot, "test/conformance/config.yaml");
  const { code, stdout, stderr } = await run(
    program,
    ["--mode", "server", "--conf", config, ...args, "--", process.execPath, server],
    { msMax: 300_000 },
  );
  return { code, output: `${stdout}${stderr}` };
}

async function buildOnce(): Promise<void> {
  if (existsSync(program)) return;
  // Under its name only when it is complete.
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  const built = await run(
    "go",
    ["install", `connectrpc.com/conformance/cmd/connectconformance@${version}`],
    { env: { GOBIN: partial }, msMax: 360_000 },
  );
  equal(built.code, 0, built.stderr);
  renameSync(partial, folder);
}
