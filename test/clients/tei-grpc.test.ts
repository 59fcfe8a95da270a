// Python's grpcio on tei.v1, in a virtual environment that is kept for the next run.

import { equal, match } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { type MeshKind, startMesh } from "../support/mesh-process.js";
import { cacheFolder, missing, run } from "../support/programs.js";
import { temporaryFolder } from "../support/tiny-models.js";

const version = "1.85.1";
const names = [
  "grpcio",
  "grpcio-tools",
  "grpcio-health-checking",
  "grpcio-reflection",
  "grpcio-status",
];
const packages = names.map((name) => `${name}==${version}`);
const modules = "grpc, grpc_tools, grpc_health.v1, grpc_reflection, grpc_status";
const venv = join(cacheFolder, `grpcio-${version}`);
const python = join(venv, "bin/python");
const options = { timeout: 400_000, skip: missing("python3") };
const kinds: readonly MeshKind[] = ["one", "four"];

for (const kind of kinds) {
  test(`grpcio finds tei.v1 in the mesh as ${kind}`, options, async (t) => {
    const problem = await install();
    if (problem !== undefined) return t.skip(`grpcio cannot be installed: ${problem}`);
    const stubs = temporaryFolder(t);
    const made = await run(
      python,
      [
        ...["-m", "grpc_tools.protoc", "-I", "proto"],
        ...[`--python_out=${stubs}`, `--grpc_python_out=${stubs}`, "tei/v1/tei.proto"],
      ],
      { cwd: packageRoot },
    );
    equal(made.code, 0, made.stderr);
    const mesh = await startMesh(kind);
    try {
      const program = join(packageRoot, "test/clients/tei_grpc.py");
      const args = [program, new URL(mesh.url).host, stubs];
      const { code, stdout, stderr } = await run(python, args, { msMax: 120_000 });
      equal(code, 0, stdout + stderr);
      match(stdout, /all checks passed/);
    } finally {
      await mesh.stop();
    }
  });
}

/** Why it failed, or undefined. */
async function install(): Promise<string | undefined> {
  const isThere = async () => (await run(python, ["-c", `import ${modules}`])).code === 0;
  if (existsSync(python) && (await isThere())) return undefined;
  const created = await run("python3", ["-m", "venv", "--clear", venv]);
  if (created.code !== 0) return created.stdout + created.stderr;
  const installed = await run(python, ["-m", "pip", "install", "-q", ...packages], {
    msMax: 240_000,
  });
  return installed.code === 0 ? undefined : installed.stderr;
}
