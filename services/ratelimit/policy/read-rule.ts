import { unitsMaxOf } from "../algorithms/quota.js";
import type { Problems } from "../files/problems.js";
import {
  readChoice,
  readFields,
  readFlag,
  readList,
  readText,
  readWhole,
} from "../files/values.js";
import { describe, type YamlNode } from "../files/yaml-node.js";
import { readConditions } from "./read-conditions.js";
import { readQuota } from "./read-quota.js";
import {
  type Condition,
  type Counted,
  type CountedBy,
  countables,
  countedByNames,
  type PolicyRule,
} from "./rule.js";

const nameLengthMax = 64;
const fieldNames = [
  "name",
  "counts",
  "per",
  "when",
  "except",
  "exempt_loopback",
  "algorithm",
  "quota",
  "window",
  "burst",
  "on_store_failure",
  "lease",
  "shadow",
] as const;

type Fields = Partial<Record<(typeof fieldNames)[number], YamlNode>>;

/** One entry of `limits`; undefined after what is wrong was added to `problems`. */
export function readRule(node: YamlNode, problems: Problems): PolicyRule | undefined {
  const fields = readFields(node, fieldNames, problems);
  if (fields === undefined) return undefined;
  const name = readName(fields, node, problems);
  const counts = readCounts(fields, node, problems);
  const per = readPer(fields, node, problems);
  const quota = counts && readQuota(fields, counts, { place: node, problems });
  const rest = {
    when: fields.when ? readConditions(fields.when, "when", problems) : [],
    except: readExcept(fields, problems),
    onStoreFailure: readOnStoreFailure(fields, problems),
    isShadow: fields.shadow ? (readFlag(fields.shadow, "shadow", problems) ?? false) : false,
  };
  if (name === undefined || counts === undefined || quota === undefined) return undefined;
  const lease = fields.lease && readLease(fields.lease, { counts, quota, problems });
  return { name, counts, per, quota, lease, ...rest };
}

/** As it may stand in headers, metrics and keys. */
function readName({ name }: Fields, place: YamlNode, problems: Problems): string | undefined {
  if (name === undefined) problems.add(place, "name: missing");
  const text = name && readText(name, "name", { lengthMax: nameLengthMax, problems });
  if (name === undefined || text === undefined || /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(text)) {
    return text;
  }
  problems.add(name, `name: expected letters, digits and . _ - in it, found ${describe(name)}`);
  return undefined;
}

function readCounts({ counts }: Fields, place: YamlNode, problems: Problems): Counted | undefined {
  if (counts) return readChoice(counts, "counts", { choices: countables, problems });
  problems.add(place, `counts: missing, one of ${countables.join(", ")}`);
  return undefined;
}

/** It has no default: forgetting it would make one counter for everyone. */
function readPer({ per }: Fields, place: YamlNode, problems: Problems): readonly CountedBy[] {
  if (per === undefined) {
    problems.add(place, `per: missing, a list of ${countedByNames.join(", ")}; [] is everyone`);
    return [];
  }
  const names: CountedBy[] = [];
  for (const item of readList(per, problems)) {
    const name = readChoice(item, "per", { choices: countedByNames, problems });
    if (name !== undefined && names.includes(name)) problems.add(item, `per: ${name} twice`);
    else if (name !== undefined) names.push(name);
  }
  return names;
}

function readExcept({ except, exempt_loopback: exempt }: Fields, problems: Problems): Condition[] {
  const conditions = except ? readConditions(except, "except", problems) : [];
  if (exempt === undefined || readFlag(exempt, "exempt_loopback", problems) !== true) {
    return conditions;
  }
  return [...conditions, { attribute: "ip", values: new Set(), prefixes: [], isLoopback: true }];
}

/** What is spent under a reservation may come back, and slots always do: neither can be taken in advance. */
function readLease(
  node: YamlNode,
  bounds: Pick<PolicyRule, "counts" | "quota"> & { readonly problems: Problems },
): number | undefined {
  const { counts, quota, problems } = bounds;
  if (counts === "requests") return readWhole(node, "lease", { max: unitsMaxOf(quota), problems });
  problems.add(node, `lease: ${counts.replace("_", " ")} have none, requests have`);
  return undefined;
}

function readOnStoreFailure(
  { on_store_failure: node }: Fields,
  problems: Problems,
): PolicyRule["onStoreFailure"] {
  const choices = ["allow", "refuse", "degrade"] as const;
  return (node && readChoice(node, "on_store_failure", { choices, problems })) ?? "degrade";
}
