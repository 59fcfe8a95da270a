// Python's clients, unmodified: openai, cohere, and the embeddings of LangChain and LlamaIndex.

import { equal, match } from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { startMesh } from "../support/mesh-process.js";
import { missing, run } from "../support/programs.js";
import { installPython } from "../support/python.js";

const clients = {
  sdks: "the openai and cohere packages",
  frameworks: "the embeddings of LangChain and LlamaIndex",
};
const options = { timeout: 600_000, skip: missing("python3") };

for (const [name, what] of Object.entries(clients)) {
  test(`${what} work as they are`, options, async (t) => {
    const folder = join(packageRoot, "test/clients");
    const python = await installPython(join(folder, `${name}.requirements.txt`));
    if (python.problem !== undefined) return t.skip(`cannot be installed: ${python.problem}`);
    const mesh = await startMesh("one");
    try {
      const args = [join(folder, `${name}.py`), mesh.url];
      // What a developer has set for the real services must not reach the clients.
      const env = { HF_TOKEN: "", HF_HUB_OFFLINE: "0", OPENAI_BASE_URL: "", CO_API_URL: "" };
      const { code, stdout, stderr } = await run(python.command, args, { env, msMax: 120_000 });
      equal(code, 0, stdout + stderr);
      match(stdout, /all checks passed/);
    } finally {
      await mesh.stop();
    }
  });
}
