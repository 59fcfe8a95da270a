// `node tools/on-image-node.js ARGS...`: as `node ARGS...`, but on the Node of the image (deploy/Dockerfile), which is where
// the mesh serves. It is fetched once, unless this is one of its version. After a build.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import { cacheFolder } from "../dist/test/support/programs.js";
import { fail, npm, root } from "./prepare.js";

const program = imageNode();
const { status } = spawnSync(program, process.argv.slice(2), { stdio: "inherit" });
process.exit(status ?? 1);

function imageNode() {
  const dockerfile = readFileSync(join(root, "deploy/Dockerfile"), "utf8");
  const major = /^ARG NODE_IMAGE=node:(\d+)/m.exec(dockerfile)?.[1];
  if (major === undefined) fail("deploy/Dockerfile names no version of Node.");
  if (process.versions.node.split(".")[0] === major) return process.execPath;
  // npm has Node's own programs as packages, one for each platform.
  const name = `node-${process.platform}-${process.arch}`;
  const folder = join(cacheFolder, `node-${major}`);
  if (!existsSync(folder)) {
    mkdirSync(cacheFolder, { recursive: true });
    // Under its name only when it is complete.
    const partial = mkdtempSync(`${folder}-`);
    const quietly = ["--ignore-scripts", "--no-audit", "--no-fund", "--silent"];
    npm("install", ...quietly, "--prefix", partial, `${name}@${major}`);
    renameSync(partial, folder);
  }
  return join(folder, "node_modules", name, "bin", "node");
}
