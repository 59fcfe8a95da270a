import type { DescriptorLevel, DescriptorNode } from "./envoy/descriptor-level.js";
import type { Limit } from "./envoy/limit.js";
import { readRules } from "./envoy/read-rules.js";
import { Problems } from "./files/problems.js";
import { readFiles, type TextFile } from "./files/read-files.js";
import { readYaml } from "./files/read-yaml.js";
import { describePolicy } from "./policy/describe-policy.js";
import { describeQuota } from "./policy/describe-quota.js";
import { readPolicy } from "./policy/read-policy.js";
import { table } from "./policy/table.js";

export interface CheckedFile {
  readonly limits: number;
  /** A line for each limit below a line of headings. */
  readonly table: string;
}

/** What a file of limits says, or those of a folder: ours, or envoyproxy/ratelimit's. Throws `InvalidFiles`. */
export async function checkFile(path: string, env: NodeJS.ProcessEnv): Promise<CheckedFile> {
  const files = await readFiles(path);
  if (files.some(isEnvoys)) {
    const rows = [...readRules(files)].flatMap(([domain, level]) => rowsOf(domain, level));
    return { limits: rows.length, table: table(["domain", "limit", "quota", "mode"], rows) };
  }
  const rules = readPolicy(files, env);
  return { limits: rules.length, table: describePolicy(rules) };
}

/** Only their files have a domain. */
function isEnvoys(file: TextFile): boolean {
  const node = readYaml(file, new Problems());
  return node?.kind === "map" && node.entries.some(({ key }) => key === "domain");
}

function rowsOf(domain: string, level: DescriptorLevel): string[][] {
  return [...level.nodes].flatMap((node) => [
    ...limitRows(domain, node),
    ...rowsOf(domain, node.children),
  ]);
}

function limitRows(domain: string, { limit }: DescriptorNode): string[][] {
  if (limit === undefined) return [];
  return [[domain, limit.path.join("."), quotaText(limit), limit.isShadow ? "shadow" : ""]];
}

function quotaText({ quota }: Limit): string {
  return typeof quota === "string" ? quota : describeQuota(quota);
}
