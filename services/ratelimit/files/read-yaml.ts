import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLMap,
} from "yaml";
import { depthMax, lineTooDeep } from "./nesting.js";
import type { Problems } from "./problems.js";
import type { TextFile } from "./read-files.js";
import type { YamlEntry, YamlNode, YamlScalar } from "./yaml-node.js";

/** Nodes of a file, aliases written out: a few lines of aliases of aliases can stand for billions. */
const nodesMax = 100_000;
/** Each is looked for in the whole file. */
const aliasesMax = 1_000;

/** The one document of a file; undefined after what is wrong with it was added to `problems`. */
export function readYaml({ file, text }: TextFile, problems: Problems): YamlNode | undefined {
  const tooDeep = lineTooDeep(text);
  if (tooDeep !== undefined) {
    problems.add({ file, line: tooDeep }, `nested more than ${depthMax} deep`);
    return undefined;
  }
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    uniqueKeys: true,
    prettyErrors: false,
    strict: true,
  });
  const lineAt = (offset: number): number => Math.max(1, lines.linePos(offset).line);
  // A warning is a tag nobody here knows.
  const mistakes = [...document.errors, ...document.warnings];
  // What follows from a mistake on the same line explains nothing.
  const firsts = new Map<number, string>();
  for (const { pos, message } of mistakes) {
    const line = lineAt(pos[0]);
    if (!firsts.has(line)) firsts.set(line, message);
  }
  for (const [line, message] of firsts) problems.add({ file, line }, message);
  if (mistakes.length > 0) return undefined;
  try {
    return new Converter(file, document, lineAt).convert(document.contents);
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    problems.add({ file, line: error.line }, error.message);
    return undefined;
  }
}

class Converter {
  readonly #file: string;
  readonly #document: Document.Parsed;
  readonly #lineAt: (offset: number) => number;
  #nodes = 0;
  #aliases = 0;

  constructor(file: string, document: Document.Parsed, lineAt: (offset: number) => number) {
    this.#file = file;
    this.#document = document;
    this.#lineAt = lineAt;
  }

  /** `line` is that of the key, for a value that is not there. */
  convert(node: Node | null, line = 1, depth = 0): YamlNode {
    this.#nodes += 1;
    if (node === null) return this.#nothing(line);
    const place = { file: this.#file, line: this.#lineOf(node, line) };
    if (this.#nodes > nodesMax) {
      throw new Refusal(place.line, `more than ${nodesMax} values, aliases written out`);
    }
    if (depth > depthMax) throw new Refusal(place.line, `nested more than ${depthMax} deep`);
    if (isAlias(node)) {
      this.#aliases += 1;
      if (this.#aliases > aliasesMax) {
        throw new Refusal(place.line, `more than ${aliasesMax} aliases`);
      }
      const target = node.resolve(this.#document);
      if (target === undefined) throw new Refusal(place.line, `unknown alias *${node.source}`);
      return this.convert(target, place.line, depth + 1);
    }
    if (isScalar(node)) return { ...place, ...this.#scalar(node.value, node.source, place.line) };
    if (isSeq<Node | null>(node)) {
      const items = node.items.map((item) => this.convert(item, place.line, depth + 1));
      return { ...place, kind: "list", items };
    }
    if (isMap<Node, Node | null>(node)) {
      return { ...place, kind: "map", entries: this.#entries(node, place.line, depth) };
    }
    throw new Refusal(place.line, "neither a value, a list nor a map");
  }

  #entries(map: YAMLMap<Node, Node | null>, mapLine: number, depth: number): YamlEntry[] {
    return map.items.map(({ key, value }) => {
      const line = this.#lineOf(key, mapLine);
      if (!isScalar(key) || typeof key.value !== "string") {
        const shown = isScalar(key) ? `${String(key.source ?? key.value)} is` : "this is";
        throw new Refusal(line, `a key must be a text; ${shown} none`);
      }
      return {
        file: this.#file,
        line,
        key: key.value,
        value: this.convert(value, line, depth + 1),
      };
    });
  }

  #scalar(
    value: unknown,
    source: string | undefined,
    line: number,
  ): Pick<YamlScalar, "kind" | "value" | "source"> {
    if (value === null || value === undefined) return this.#nothing(line);
    if (typeof value === "string") return { kind: "scalar", value, source: value };
    if (typeof value === "number" || typeof value === "boolean") {
      return { kind: "scalar", value, source: source ?? String(value) };
    }
    throw new Refusal(line, "neither a text, a number nor true or false");
  }

  #nothing(line: number): YamlScalar {
    return { file: this.#file, line, kind: "scalar", value: undefined, source: "" };
  }

  #lineOf(node: Node | null, otherwise: number): number {
    return node?.range ? this.#lineAt(node.range[0]) : otherwise;
  }
}

/** Ends the conversion of a file at its first mistake of form. */
class Refusal extends Error {
  readonly line: number;

  constructor(line: number, reason: string) {
    super(reason);
    this.line = line;
  }
}
