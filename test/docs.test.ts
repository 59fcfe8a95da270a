// The commands that the documents show are run as they stand, against a mesh on another port.

import { equal, match, ok } from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { packageRoot } from "../lib/package-root.js";
import { type Mesh, startMesh } from "./support/mesh-process.js";
import { cacheFolder, missing, run } from "./support/programs.js";

const commands = commandsOf("README.md");
const grpcurl = join(cacheFolder, "grpcurl-1.9.3");

describe("the README", { timeout: 120_000 }, () => {
  let mesh: Mesh;
  before(async () => {
    mesh = await startMesh("one");
  });
  after(() => mesh.stop());

  for (const command of commands.filter((line) => line.startsWith("curl "))) {
    test(`shows ${command}`, { skip: missing("curl") }, async () => {
      const here = command.replaceAll("127.0.0.1:8080", `127.0.0.1:${mesh.gateway.port}`);
      const { code, stdout, stderr } = await run("sh", ["-c", here.replace("curl ", "curl -sSf ")]);
      equal(code, 0, stderr);
      match(stdout, /^(\[\[|\{"object":"list"|# HELP)/);
    });
  }

  for (const command of commands.filter((line) => line.startsWith("grpcurl "))) {
    const skip = existsSync(grpcurl)
      ? false
      : "grpcurl is not built (test/clients/grpcurl.test.ts)";
    test(`shows ${command}`, { skip }, async () => {
      const here = command
        .replaceAll("127.0.0.1:8080", `127.0.0.1:${mesh.gateway.port}`)
        .replace("grpcurl", grpcurl);
      const { code, stderr } = await run("sh", ["-c", here]);
      equal(code, 0, stderr);
    });
  }
});

describe("every npm script and file that the documents show", () => {
  const documents = ["README.md", "CONTRIBUTING.md"];
  const { scripts } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  for (const command of documents.flatMap(commandsOf).filter((line) => line.startsWith("npm "))) {
    test(`exists: ${command}`, () => {
      const [, verb = "", name = ""] = command.split(" ");
      ok(scripts[verb === "run" ? name : verb]);
    });
  }

  for (const command of commands.filter((line) => line.startsWith("npx arrowmesh "))) {
    test(`explains itself: ${command} --help`, async () => {
      const args = command.split(" ").slice(1);
      const { code, stdout } = await run("npx", [...args, "--help"], { cwd: packageRoot });
      equal(code, 0);
      match(stdout, /Settings, by environment variable/);
    });
  }
});

/** The lines of the `sh` blocks of a document. */
function commandsOf(document: string): string[] {
  const text = readFileSync(join(packageRoot, document), "utf8");
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block);
  return blocks.flatMap((block) => block.trim().split("\n"));
}
