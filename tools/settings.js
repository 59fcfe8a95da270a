// Writes the table of settings into each README, from the schemas; with --check it only compares.

import { readFileSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { fail, root } from "./prepare.js";

const readmes = {
  "services/gateway/README.md": ["services/gateway/config.js", "gatewaySchema"],
  "services/tokenizer/README.md": ["services/tokenizer/config.js", "tokenizerSchema"],
  "services/inference/README.md": ["services/inference/config.js", "inferenceSchema"],
  "services/ratelimit/README.md": ["services/ratelimit/config.js", "ratelimitSchema"],
  "docs/envoy.md": ["services/ratelimit/envoy/config.js", "envoyRatelimitSchema"],
  "docs/settings.md": ["lib/process-config.js", "processSchema"],
  "docs/tracing-export.md": ["lib/tracing/config.js", "tracingSchema"],
};
const begin = "<!-- settings, written by `npm run generate` -->";
const end = "<!-- end of settings -->";

for (const [readme, [file, name]] of Object.entries(readmes)) {
  const schema = (await import(pathToFileURL(join(root, "dist", file)).href))[name];
  const path = join(root, readme);
  const before = readFileSync(path, "utf8");
  const after = replaceTable(before, toTable(schema), readme);
  if (after === before) continue;
  if (process.argv.includes("--check")) fail(`${readme} is behind its schema: npm run generate`);
  writeFileSync(path, after);
}

function replaceTable(text, table, readme) {
  const from = text.indexOf(begin);
  const to = text.indexOf(end);
  if (from < 0 || to < from) fail(`${readme} has no place for its settings`);
  return `${text.slice(0, from)}${begin}\n\n${table}\n\n${text.slice(to)}`;
}

function toTable(schema) {
  const rows = Object.values(schema).map(
    ({ env, fallback, doc }) => `| \`${env}\` | ${toCell(fallback)} | ${doc} |`,
  );
  return ["| variable | default | meaning |", "| --- | --- | --- |", ...rows].join("\n");
}

function toCell(fallback) {
  if (fallback === undefined) return "unset";
  const text = String(fallback);
  return `\`${text.startsWith(root) ? relative(root, text) : text}\``;
}
