import type { Problems } from "./problems.js";
import type { YamlNode, YamlScalar } from "./yaml-node.js";

const pattern = /^\$\{(?<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?<otherwise>[^}]*))?\}$/;
const valueLengthMax = 1_024;

/**
 * The same values, where a text that is `${NAME}` or `${NAME:-otherwise}` is what the environment has under that name.
 * It is read as if it stood in the file without quotes, and can only be one value: no variable adds to the structure.
 */
export function expandEnvironment(
  node: YamlNode,
  env: NodeJS.ProcessEnv,
  problems: Problems,
): YamlNode {
  switch (node.kind) {
    case "list":
      return { ...node, items: node.items.map((item) => expandEnvironment(item, env, problems)) };
    case "map":
      return {
        ...node,
        entries: node.entries.map((entry) => ({
          ...entry,
          value: expandEnvironment(entry.value, env, problems),
        })),
      };
    case "scalar":
      return typeof node.value === "string" && node.value.includes("${")
        ? expandScalar(node, node.value, { env, problems })
        : node;
  }
}

function expandScalar(
  node: YamlScalar,
  text: string,
  { env, problems }: { readonly env: NodeJS.ProcessEnv; readonly problems: Problems },
): YamlScalar {
  const { name, otherwise } = pattern.exec(text)?.groups ?? {};
  if (name === undefined) {
    problems.add(node, `expected \${NAME} or \${NAME:-value} and nothing around it, found ${text}`);
    return node;
  }
  const set = env[name]?.trim() ?? "";
  if (set.length > valueLengthMax)
    problems.add(node, `${name} is over ${valueLengthMax} characters`);
  if (set !== "") return { ...node, ...scalarOf(set), variable: name };
  if (otherwise !== undefined) return { ...node, ...scalarOf(otherwise) };
  problems.add(node, `${name} is not set in the environment, and has no default here`);
  return node;
}

function scalarOf(source: string): Pick<YamlScalar, "value" | "source"> {
  if (source === "") return { value: undefined, source };
  if (source === "true" || source === "false") return { value: source === "true", source };
  return { value: /^[-+]?\d+(\.\d+)?$/.test(source) ? Number(source) : source, source };
}
