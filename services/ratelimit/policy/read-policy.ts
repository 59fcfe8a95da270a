import { expandEnvironment } from "../files/expand-environment.js";
import { Problems } from "../files/problems.js";
import type { TextFile } from "../files/read-files.js";
import { readYaml } from "../files/read-yaml.js";
import { readFields, readList } from "../files/values.js";
import type { YamlNode } from "../files/yaml-node.js";
import { readRule } from "./read-rule.js";
import type { PolicyRule } from "./rule.js";

/** All that apply to a caller are decided at once, so there cannot be any number of them. */
const rulesMax = 256;

/** The limits of policy files, together. Throws `InvalidFiles` with every mistake. */
export function readPolicy(
  files: readonly TextFile[],
  env: NodeJS.ProcessEnv,
): readonly PolicyRule[] {
  const problems = new Problems();
  const rules: PolicyRule[] = [];
  const lineOf = new Map<string, YamlNode>();
  for (const node of files.flatMap((file) => limitsOf(file, env, problems))) {
    const rule = readRule(node, problems);
    if (rule === undefined) continue;
    const first = lineOf.get(rule.name);
    if (first) problems.add(node, `name: ${rule.name} is in ${first.file}:${first.line} already`);
    lineOf.set(rule.name, node);
    rules.push(rule);
    if (rules.length === rulesMax + 1) problems.add(node, `more than ${rulesMax} limits`);
  }
  problems.throwIfAny();
  return rules;
}

function limitsOf(file: TextFile, env: NodeJS.ProcessEnv, problems: Problems): readonly YamlNode[] {
  const document = readYaml(file, problems);
  if (document === undefined) return [];
  const fields = readFields(expandEnvironment(document, env, problems), ["limits"], problems);
  if (fields?.limits) return readList(fields.limits, problems);
  if (fields) problems.add(document, "limits: missing");
  return [];
}
