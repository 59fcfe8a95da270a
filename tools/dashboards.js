// Writes deploy/grafana/dashboards/ from deploy/grafana/source/; with --check it only compares.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fail, root } from "./prepare.js";

const folder = join(root, "deploy/grafana/dashboards");
const { dashboards } = await load("all.js");
const { toGrafana } = await load("to-grafana.js");
const files = new Map(
  dashboards.map((dashboard) => [
    `${dashboard.uid}.json`,
    `${JSON.stringify(toGrafana(dashboard), undefined, 2)}\n`,
  ]),
);

mkdirSync(folder, { recursive: true });
const stale = readdirSync(folder).filter((name) => !files.has(name));
const changed = [...files].filter(([name, text]) => {
  const path = join(folder, name);
  return !existsSync(path) || readFileSync(path, "utf8") !== text;
});
if (process.argv.includes("--check")) {
  const names = [...stale, ...changed.map(([name]) => name)];
  if (names.length > 0) fail(`deploy/grafana is behind its source: ${names}: npm run generate`);
} else {
  for (const name of stale) rmSync(join(folder, name));
  for (const [name, text] of changed) writeFileSync(join(folder, name), text);
}

async function load(file) {
  return await import(pathToFileURL(join(root, "dist/deploy/grafana/source", file)).href);
}
