// The conformance suite of the Connect project: its own clients call our public port, over every protocol, version of
// HTTP, codec and compression, in cleartext, by TLS, and with client certificates.

import { equal, match } from "node:assert/strict";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { before, describe, test } from "node:test";
import { packageRoot } from "../lib/package-root.js";
import { cacheFolder, missing, run } from "./support/programs.js";

const version = "v1.0.6";
const folder = join(cacheFolder, `connectconformance-${version}`);
const program = join(folder, "connectconformance");
const server = join(packageRoot, "dist/test/conformance/server.js");

describe("connectconformance", {
  timeout: 700_000,
  skip: existsSync(program) ? false : missing("go"),
}, () => {
  before(buildOnce);

  test("every case passes", async () => {
    const config = join(packageRoot, "test/conformance/config.yaml");
    const { code, stdout, stderr } = await run(
      program,
      ["--mode", "server", "--conf", config, "--", process.execPath, server],
      { msMax: 300_000 },
    );
    const output = `${stdout}${stderr}`;
    equal(code, 0, output);
    // So that a configuration that runs next to nothing does not pass.
    match(output, /^Total cases: 5\d{3}$/m);
  });
});

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
