// The commands that the documents show are run as they stand, against a mesh on another port.

import { equal, match, ok } from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { packageRoot } from "../lib/package-root.js";
import { type Mesh, startMesh } from "./support/mesh-process.js";
import { cacheFolder, missing, run } from "./support/programs.js";
import { writeSimple } from "./support/tiny-models.js";

const documents = [
  "README.md",
  ...["models", "limits", "tracing", "tracing-export", "status"].map((name) => `docs/${name}.md`),
];
const commands = documents.flatMap(commandsOf);
const grpcurl = join(cacheFolder, "grpcurl-1.9.3");

describe("a document", { timeout: 120_000 }, () => {
  let mesh: Mesh;
  let repository: string;
  before(async () => {
    repository = await mkdtemp(join(tmpdir(), "arrowmesh-docs-"));
    writeSimple(join(repository, "simple"));
    mesh = await startMesh("one", { MODEL_REPOSITORY: repository });
  });
  after(async () => {
    await mesh.stop();
    await rm(repository, { recursive: true });
  });

  for (const command of commands.filter((line) => line.startsWith("curl "))) {
    test(`shows ${command}`, { skip: missing("curl") }, async () => {
      const here = command.replaceAll("127.0.0.1:8080", `127.0.0.1:${mesh.gateway.port}`);
      const { code, stdout, stderr } = await run("sh", ["-c", here.replace("curl ", "curl -sSf ")]);
      equal(code, 0, stderr);
      match(stdout, /^(\[\[|\{"object":"list"|# HELP|\[\{"name":"|\{"versions"|\{"processes"|$)/);
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
  const { scripts } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  for (const command of [...commands, ...commandsOf("CONTRIBUTING.md")].filter((line) =>
    line.startsWith("npm "),
  )) {
    test(`exists: ${command}`, () => {
      const [, verb = "", name = ""] = command.split(" ");
      ok(scripts[verb === "run" ? name : verb]);
    });
  }

  const checks = commands.filter((line) => line.startsWith("npx arrowmesh ratelimit check "));
  for (const command of checks) {
    test(`is right: ${command}`, async () => {
      const { code, stdout } = await run("npx", command.split(" ").slice(1), { cwd: packageRoot });
      equal(code, 0);
      match(stdout, /^policies\/default\.yaml: ok, \d+ limits$/m);
    });
  }

  const others = commands.filter((line) => line.startsWith("npx arrowmesh "));
  for (const command of others.filter((line) => !checks.includes(line))) {
    test(`explains itself: ${command} --help`, async () => {
      const args = command.split(" ").slice(1);
      const { code, stdout } = await run("npx", [...args, "--help"], { cwd: packageRoot });
      equal(code, 0);
      match(stdout, /Settings, by environment variable|Download a model/);
    });
  }
});

/** The lines of the `sh` blocks of a document. */
function commandsOf(document: string): string[] {
  const text = readFileSync(join(packageRoot, document), "utf8");
  const blocks = [...text.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block = ""]) => block);
  return blocks.flatMap((block) => block.trim().split("\n"));
}
