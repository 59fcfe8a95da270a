import type { Problems } from "../files/problems.js";
import { readChoice, readMap, readText } from "../files/values.js";
import { describe, type YamlNode } from "../files/yaml-node.js";
import { ipNetworkOf } from "./ip-network.js";
import { type AttributeName, attributeNames, type Condition } from "./rule.js";

const valuesMax = 1_000;
const valueLengthMax = 1_024;
const loopback = "loopback";

/** `when` or `except`: for each attribute a value, or a list of them. */
export function readConditions(node: YamlNode, name: string, problems: Problems): Condition[] {
  const conditions: Condition[] = [];
  for (const entry of readMap(node, problems)?.entries ?? []) {
    const { file, line, key } = entry;
    const keyNode = { file, line, kind: "scalar", value: key, source: key } as const;
    const attribute = readChoice(keyNode, name, { choices: attributeNames, problems });
    if (attribute !== undefined) conditions.push(readCondition(entry.value, attribute, problems));
  }
  return conditions;
}

function readCondition(node: YamlNode, attribute: AttributeName, problems: Problems): Condition {
  const nodes = node.kind === "list" ? node.items : [node];
  if (nodes.length < 1 || nodes.length > valuesMax) {
    problems.add(node, `${attribute}: expected 1..${valuesMax} values, found ${nodes.length}`);
  }
  const texts = nodes.map((each) => readValue(each, attribute, problems)).filter(isText);
  return {
    attribute,
    values: new Set(texts.filter((text) => !text.endsWith("*"))),
    prefixes: texts.filter((text) => text.endsWith("*")).map((text) => text.slice(0, -1)),
    isLoopback: nodes.some((each) => isLoopback(each, attribute)),
  };
}

/** Undefined for what is no text of a condition: a mistake, or the word for addresses of this machine. */
function readValue(
  node: YamlNode,
  attribute: AttributeName,
  problems: Problems,
): string | undefined {
  if (isLoopback(node, attribute)) return undefined;
  const text = readText(node, attribute, { lengthMax: valueLengthMax, problems });
  if (text === undefined) return undefined;
  if (text.indexOf("*") < text.length - 1 && text.includes("*")) {
    problems.add(node, `${attribute}: a * only stands at the end`);
  }
  if (attribute !== "ip" || text.endsWith("*")) return text;
  const network = ipNetworkOf(text);
  if (network !== undefined) return network.name;
  const expected = `expected an address, ${loopback} or a trailing *`;
  problems.add(node, `ip: ${expected}, found ${describe(node)}`);
  return undefined;
}

function isLoopback(node: YamlNode, attribute: AttributeName): boolean {
  return attribute === "ip" && node.kind === "scalar" && node.source === loopback;
}

function isText(text: string | undefined): text is string {
  return text !== undefined;
}
