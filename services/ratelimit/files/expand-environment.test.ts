import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { expandEnvironment } from "./expand-environment.js";
import { InvalidFiles } from "./invalid-files.js";
import { Problems } from "./problems.js";
import { readYaml } from "./read-yaml.js";
import { describe, type YamlNode } from "./yaml-node.js";

test("a variable stands for one value, as if it stood there without quotes", () => {
  const table: [text: string, env: NodeJS.ProcessEnv, value: unknown][] = [
    ["<A:-50>", {}, 50],
    ["<A:-50>", { A: "7" }, 7],
    ["<A:-50>", { A: " 7 " }, 7],
    ["<A:-50>", { A: "" }, 50],
    ["<A>", { A: "1.5" }, 1.5],
    ["<A>", { A: "false" }, false],
    ["<A>", { A: "1e3" }, "1e3"],
    ['"<A:-free>"', {}, "free"],
    ["<A:->", {}, undefined],
    // No variable adds to the structure of the file.
    ["<A>", { A: "1\nname: other" }, "1\nname: other"],
    ["<A>", { A: "[1, 2]" }, "[1, 2]"],
    ["<A>", { A: withBraces("<B>"), B: "1" }, "<B>"],
    ["$A", { A: "1" }, "$A"],
  ];
  for (const [text, env, value] of table) {
    const expected = typeof value === "string" ? withBraces(value) : value;
    deepEqual(plainOf(expanded(`a: [${quoted(withBraces(text))}]`, env)), { a: [expected] });
  }
});

test("what cannot be expanded is told with its line, and never what a variable holds", () => {
  const problems = new Problems();
  const text = "a: <A>\nb: x<B:-1>\nc: <B\nd: <2>\ne: <LONG>\n";
  const node = readYaml({ file: "f.yaml", text: withBraces(text) }, problems);
  const env = { B: "secret", LONG: "x".repeat(1_025) };
  if (node) expandEnvironment(node, env, problems);
  deepEqual(problemsOf(problems).map(withoutBraces), [
    "f.yaml:1: A is not set in the environment, and has no default here",
    "f.yaml:2: expected <NAME> or <NAME:-value> and nothing around it, found x<B:-1>",
    "f.yaml:3: expected <NAME> or <NAME:-value> and nothing around it, found <B",
    "f.yaml:4: expected <NAME> or <NAME:-value> and nothing around it, found <2>",
    "f.yaml:5: LONG is over 1024 characters",
  ]);
  const list = expanded(withBraces("a: ['<B>']"), env);
  const first = list?.kind === "map" ? list.entries[0]?.value : undefined;
  deepEqual(first?.kind === "list" && first.items.map(describe), ["the value of B"]);
});

/** `<A>` is a variable: in code, its own form looks like a template by mistake. */
function withBraces(text: string): string {
  return text.replaceAll("<", "$" + "{").replaceAll(">", "}");
}

function withoutBraces(text: string): string {
  return text.replaceAll("$" + "{", "<").replaceAll("}", ">");
}

/** Braces mean something inside brackets. */
function quoted(text: string): string {
  return text.startsWith('"') ? text : `"${text}"`;
}

function expanded(text: string, env: NodeJS.ProcessEnv): YamlNode | undefined {
  const problems = new Problems();
  const node = readYaml({ file: "f.yaml", text }, problems);
  const result = node && expandEnvironment(node, env, problems);
  deepEqual(problemsOf(problems), []);
  return result;
}

function problemsOf(problems: Problems): readonly string[] {
  try {
    problems.throwIfAny();
    return [];
  } catch (error) {
    return error instanceof InvalidFiles ? error.problems : [];
  }
}

function plainOf(node: YamlNode | undefined): unknown {
  if (node?.kind === "list") return node.items.map(plainOf);
  if (node?.kind === "map") {
    return Object.fromEntries(node.entries.map(({ key, value }) => [key, plainOf(value)]));
  }
  return node?.value;
}
