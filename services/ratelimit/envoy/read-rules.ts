import { Problems } from "../files/problems.js";
import type { TextFile } from "../files/read-files.js";
import { readYaml } from "../files/read-yaml.js";
import { DescriptorLevel } from "./descriptor-level.js";
import { Fields } from "./fields.js";
import { readDescriptors } from "./read-descriptors.js";

const rootKeys: ReadonlySet<string> = new Set(["domain", "descriptors"]);

/** The limits of every domain, by its name. */
export type EnvoyRules = ReadonlyMap<string, DescriptorLevel>;

/**
 * Files in envoyproxy/ratelimit's format as rules. Throws `InvalidFiles` with all that is wrong with them. A domain has
 * one file, unless `mergeDomains` lets several add to it.
 */
export function readRules(
  files: readonly TextFile[],
  { mergeDomains }: { readonly mergeDomains: boolean } = { mergeDomains: false },
): EnvoyRules {
  const problems = new Problems();
  const rules = new Map<string, DescriptorLevel>();
  for (const file of files) readFile(file, { rules, mergeDomains }, problems);
  problems.throwIfAny();
  return rules;
}

function readFile(
  file: TextFile,
  {
    rules,
    mergeDomains,
  }: { readonly rules: Map<string, DescriptorLevel>; readonly mergeDomains: boolean },
  problems: Problems,
): void {
  const root = readYaml(file, problems);
  if (root === undefined) return;
  if (root.kind !== "map") {
    problems.add(root, "expected a map with domain and descriptors");
    return;
  }
  const fields = new Fields(root, rootKeys, problems);
  const domain = fields.text("domain");
  if (domain === "") problems.add(fields.place("domain"), "config file cannot have empty domain");
  const known = rules.get(domain);
  if (known !== undefined && !mergeDomains) {
    problems.add(fields.place("domain"), `duplicate domain '${domain}' in config file`);
  }
  const level = known ?? new DescriptorLevel();
  const parent = { domain, path: [], hasValuesInMetric: false };
  readDescriptors(level, parent, fields.maps("descriptors"), problems);
  rules.set(domain, level);
}
