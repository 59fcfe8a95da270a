// What is generated and committed is what the generators write now.

import { deepEqual, equal } from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../lib/package-root.js";
import { run } from "./support/programs.js";

test("gen/ is what buf generates from proto/", { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), "arrowmesh-gen-"));
  try {
    const buf = join(packageRoot, "node_modules/.bin/buf");
    // The plugin is found on the path that npm scripts have.
    const env = { PATH: `${join(packageRoot, "node_modules/.bin")}:${process.env.PATH}` };
    const { code, stderr } = await run(buf, ["generate", "-o", folder], { cwd: packageRoot, env });
    equal(code, 0, stderr);
    deepEqual(filesOf(join(packageRoot, "gen")), filesOf(join(folder, "gen")));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the settings tables of the READMEs are those of the schemas", async () => {
  const { code, stderr } = await run(process.execPath, [
    join(packageRoot, "tools/settings.js"),
    "--check",
  ]);
  equal(code, 0, stderr);
});

function filesOf(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true }).map(String);
  const files = names.map((name) => join(folder, name)).filter((file) => statSync(file).isFile());
  return Object.fromEntries(
    files.map((file) => [relative(folder, file), readFileSync(file, "utf8")]),
  );
}
