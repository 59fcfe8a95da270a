import { deepEqual } from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../lib/package-root.js";

const root = packageRoot;
const linesMax = 300;

/** Where each thing may appear; everywhere else it is a finding. */
const reserved = [
  { pattern: /\bprocess\.env\b/, only: /^services\/main\.ts$/, use: "a config schema" },
  {
    pattern: /\bDate\.now\b|\bperformance\.now\b|(?<!\.)\bsetTimeout\b/,
    only: /^(lib\/clock|services\/gateway\/status\/page\/browser-clock)\.ts$/,
    use: "Clock",
  },
  { pattern: /\bnew ConnectError\b/, only: /^lib\/rpc\/connect-routes\.ts$/, use: "MeshError" },
  { pattern: /\bFIXME\b/, only: /^$/, use: "an issue" },
];

test("the tree keeps its own rules", () => {
  const findings: string[] = [];
  for (const path of sources(["lib", "services"])) {
    const text = readFileSync(join(root, path), "utf8");
    if (text.split("\n").length > linesMax) findings.push(`${path}: over ${linesMax} lines`);
    for (const { pattern, only, use } of reserved) {
      if (pattern.test(text) && !only.test(path)) findings.push(`${path}: ${pattern}, use ${use}`);
    }
    for (const target of crossings(path, text)) findings.push(`${path}: may not import ${target}`);
  }
  deepEqual(findings, []);
});

function sources(folders: string[]): string[] {
  return folders
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && /(?<!\.test)\.ts$/.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));
}

/** Imports against the grain: a service may use itself, lib and gen; lib may not use a service. */
function crossings(path: string, text: string): string[] {
  const own = /^(lib|services\/[^/]+)\//.exec(path)?.[1];
  if (own === undefined) return [];
  return [...text.matchAll(/from "(\.[^"]+)"/g)]
    .map(([, specifier]) => relative(root, join(root, path, "..", specifier as string)))
    .filter((target) => target.startsWith("services/") && !target.startsWith(`${own}/`));
}
