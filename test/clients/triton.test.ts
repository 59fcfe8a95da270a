// tritonclient over gRPC and HTTP, in a virtual environment that is kept for the next run.

import { equal, match } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { type MeshKind, startMesh } from "../support/mesh-process.js";
import { cacheFolder, missing, run } from "../support/programs.js";
import { temporaryFolder, writeSimple, writeSimpleString } from "../support/tiny-models.js";

const version = "2.73.0";
const packages = [`tritonclient[grpc,http]==${version}`, "numpy==2.4.6"];
const venv = join(cacheFolder, `tritonclient-${version}`);
const python = join(venv, "bin/python");
const options = { timeout: 400_000, skip: missing("python3") };
const kinds: readonly MeshKind[] = ["one", "four"];

for (const kind of kinds) {
  test(`tritonclient finds everything it knows in the mesh as ${kind}`, options, async (t) => {
    const problem = await install();
    if (problem !== undefined) return t.skip(`tritonclient cannot be installed: ${problem}`);
    const repository = temporaryFolder(t);
    writeSimple(join(repository, "simple/1"));
    writeSimpleString(join(repository, "simple_string/1"));
    const mesh = await startMesh(kind, { MODEL_REPOSITORY: repository });
    try {
      const program = join(packageRoot, "test/clients/triton.py");
      const address = new URL(mesh.url).host;
      const { code, stdout, stderr } = await run(python, [program, address], { msMax: 120_000 });
      equal(code, 0, stdout + stderr);
      match(stdout, /all checks passed/);
    } finally {
      await mesh.stop();
    }
  });
}

test("our contract is the one inside tritonclient", options, async (t) => {
  const problem = await install();
  if (problem !== undefined) return t.skip(`tritonclient cannot be installed: ${problem}`);
  const file = join(temporaryFolder(t), "inference.binpb");
  const buf = join(packageRoot, "node_modules/.bin/buf");
  const built = await run(buf, ["build", "--path", "proto/inference", "-o", file], {
    cwd: packageRoot,
  });
  equal(built.code, 0, built.stderr);
  const program = join(packageRoot, "test/clients/triton_contract.py");
  const { code, stdout, stderr } = await run(python, [program, file]);
  equal(code, 0, stdout + stderr);
});

/** Why it failed, or undefined. */
async function install(): Promise<string | undefined> {
  const isThere = async () =>
    (await run(python, ["-c", "import numpy, tritonclient.grpc, tritonclient.http"])).code === 0;
  if (existsSync(python) && (await isThere())) return undefined;
  const created = await run("python3", ["-m", "venv", "--clear", venv]);
  if (created.code !== 0) return created.stdout + created.stderr;
  const installed = await run(python, ["-m", "pip", "install", "-q", ...packages], {
    msMax: 240_000,
  });
  return installed.code === 0 ? undefined : installed.stderr;
}
