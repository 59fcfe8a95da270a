// huggingface_hub's InferenceClient, in a virtual environment that is kept for the next run.

import { deepEqual, equal } from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { startMesh } from "../support/mesh-process.js";
import { cacheFolder, missing, run } from "../support/programs.js";

const version = "2.4.0";
const venv = join(cacheFolder, `huggingface-hub-${version}`);
const python = join(venv, "bin/python");

const program = `
import json, sys
from huggingface_hub import InferenceClient
client = InferenceClient(model=sys.argv[1])
print(json.dumps(list(client.feature_extraction("hello world").shape)))
`;

test("InferenceClient extracts features", {
  timeout: 300_000,
  skip: missing("python3"),
}, async (t) => {
  const problem = await install();
  if (problem !== undefined) return t.skip(`huggingface_hub cannot be installed: ${problem}`);
  const mesh = await startMesh("one");
  try {
    const { code, stdout, stderr } = await run(python, ["-c", program, mesh.url]);
    equal(code, 0, stderr);
    deepEqual(JSON.parse(stdout), [1, 384]);
  } finally {
    await mesh.stop();
  }
});

/** Why it failed, or undefined. */
async function install(): Promise<string | undefined> {
  const isThere = async () =>
    (await run(python, ["-c", "import huggingface_hub, numpy"])).code === 0;
  if (existsSync(python) && (await isThere())) return undefined;
  const created = await run("python3", ["-m", "venv", "--clear", venv]);
  if (created.code !== 0) return created.stdout + created.stderr;
  const packages = [`huggingface_hub==${version}`, "numpy"];
  const installed = await run(python, ["-m", "pip", "install", "-q", ...packages], {
    msMax: 240_000,
  });
  return installed.code === 0 ? undefined : installed.stderr;
}
