import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { InvalidFiles } from "./invalid-files.js";
import { Problems } from "./problems.js";
import { readYaml } from "./read-yaml.js";
import type { YamlNode } from "./yaml-node.js";

test("every value comes with the line it stands in", () => {
  const node = read('# a comment\na: 1\nb:\n  - x\n  - "y"\n  -\nc: {d: true, e: }\nf: 1.0\n');
  deepEqual(linesOf(node), {
    a: "2: 1",
    b: ["4: x", "5: y", "6: undefined"],
    c: { d: "7: true", e: "7: undefined" },
    f: "8: 1",
  });
  equal(node?.kind === "map" && node.entries[3]?.value.kind, "scalar");
  const last = node?.kind === "map" ? node.entries[3]?.value : undefined;
  equal(last?.kind === "scalar" && last.source, "1.0");
});

test("an empty file is nothing, on its first line", () => {
  deepEqual(linesOf(read("")), "1: undefined");
  deepEqual(linesOf(read("# only a comment\n")), "1: undefined");
});

test("an alias stands for what it names", () => {
  deepEqual(linesOf(read("a: &x [1, 2]\nb: *x\n")), { a: ["1: 1", "1: 2"], b: ["1: 1", "1: 2"] });
});

test("what is wrong is told with its line, all of it", () => {
  const table: [text: string, ...problems: string[]][] = [
    ["a: 1\nb: 2\na: 3\n", "f.yaml:3: Map keys must be unique"],
    ["a: [1,\nb: 2\n", "f.yaml:2: Flow"],
    ["a: 'x\n", "f.yaml:2: Missing closing 'quote"],
    ["a: 1\n\tb: 2\n", "f.yaml:2: "],
    ["a: 1\n---\nb: 2\n", "f.yaml:2: Source contains multiple documents"],
    ["a: !mine 1\n", "f.yaml:1: Unresolved tag: !mine"],
    ["a: 1\nb: *x\n", "f.yaml:2: unknown alias *x"],
    ["a: &x [*x]\n", "f.yaml:1: nested more than 64 deep"],
    ["a: 1\n2: b\n", "f.yaml:2: a key must be a text; 2 is none"],
    ["a:\n  ? [x]\n  : b\n", "f.yaml:2: a key must be a text; this is none"],
    ["a: 1\na: 2\na: 3\n", "f.yaml:2: Map keys", "f.yaml:3: Map keys"],
  ];
  for (const [text, ...expected] of table) {
    const problems = problemsOf(text);
    for (const each of expected)
      ok(
        problems.some((line) => line.startsWith(each)),
        `${text} ${problems}`,
      );
  }
});

test("a file that would fill the memory or the stack is refused", () => {
  const bomb = ["a0: &a0 [x,x,x,x,x,x,x,x,x]"];
  for (let i = 1; i < 9; i += 1) bomb.push(`a${i}: &a${i} [${`*a${i - 1},`.repeat(9)}]`);
  deepEqual(problemsOf(bomb.join("\n")), ["f.yaml:3: more than 1000 aliases"]);
  const wide = `a: &a [${"1,".repeat(1_000)}]\nb: [${"*a,".repeat(100)}]`;
  deepEqual(problemsOf(wide), ["f.yaml:1: more than 100000 values, aliases written out"]);
  const deep = [
    `a: 1\n${"[".repeat(100_000)}`,
    `a: 1\n${"- ".repeat(100_000)}`,
    `a: 1\n${"? ".repeat(100_000)}`,
    `a: 1\n${"{a: ".repeat(100_000)}`,
    `a: 1\n${"a: ".repeat(100_000)}`,
    `a:\n${" ".repeat(500)}b: 1`,
    Array.from({ length: 300 }, (_, depth) => `${" ".repeat(depth)}a:`).join("\n"),
  ];
  for (const text of deep) {
    ok(problemsOf(text)[0]?.endsWith(": nested more than 64 deep"), text.slice(0, 20));
  }
  equal(problemsOf(`${"[".repeat(64)}${"]".repeat(64)}`)[0], undefined);
});

test("a list of a thousand mistakes is cut, and says so", () => {
  const lines = problemsOf("a: 1\n".repeat(1_000));
  equal(lines.length, 101);
  equal(lines.at(-1), "and 899 more");
});

test("a reason is one short line, whatever stands in the file", () => {
  const problems = new Problems();
  problems.add("f.yaml", `a\nb\u0000${"x".repeat(1_000)}`);
  const [line = ""] = linesThrown(problems);
  ok(line.startsWith("f.yaml: a b xxx") && line.length < 350);
});

function read(text: string): YamlNode | undefined {
  const problems = new Problems();
  const node = readYaml({ file: "f.yaml", text }, problems);
  problems.throwIfAny();
  return node;
}

function problemsOf(text: string): readonly string[] {
  const problems = new Problems();
  readYaml({ file: "f.yaml", text }, problems);
  return linesThrown(problems);
}

function linesThrown(problems: Problems): readonly string[] {
  try {
    problems.throwIfAny();
    return [];
  } catch (error) {
    ok(error instanceof InvalidFiles);
    return error.problems;
  }
}

/** The same values, each scalar as `LINE: value`. */
function linesOf(node: YamlNode | undefined): unknown {
  if (node?.kind === "list") return node.items.map(linesOf);
  if (node?.kind === "map") {
    return Object.fromEntries(node.entries.map(({ key, value }) => [key, linesOf(value)]));
  }
  return `${node?.line}: ${node?.value}`;
}
