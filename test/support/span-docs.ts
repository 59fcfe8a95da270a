import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "../../lib/package-root.js";
import type { Span } from "./otlp-collector.js";

const kindNames = ["", "internal", "server", "client"];

/** A row of `docs/tracing-spans.md`. */
interface DescribedSpan {
  readonly name: RegExp;
  readonly kind: string;
  readonly services: readonly string[];
  readonly attributes: ReadonlySet<string>;
}

/** What the document says of spans; compared with spans that were really sent. */
export class SpanDocs {
  readonly #rows: readonly DescribedSpan[];
  readonly #seen = new Set<DescribedSpan>();
  readonly #common: ReadonlySet<string>;

  constructor() {
    const file = join(packageRoot, "docs/tracing-spans.md");
    const [spans = "", everywhere = ""] = readFileSync(file, "utf8").split("## On every span");
    this.#rows = rowsOf(spans).map(([name = "", kind = "", services = "", , attributes = ""]) => ({
      name: patternOf(name),
      kind,
      services: wordsOf(services),
      attributes: new Set(wordsOf(attributes)),
    }));
    this.#common = new Set(rowsOf(everywhere).flatMap(([name = ""]) => wordsOf(name)));
  }

  /** What the document does not say of the span; undefined: all of it is there. */
  missingOf(span: Span): string | undefined {
    const row = this.#rows.find(
      ({ name, kind, services }) =>
        name.test(span.name) &&
        kind === kindNames[span.kind] &&
        services.includes(span.service.replace("arrowmesh-", "")),
    );
    if (row === undefined) return `${span.name} (${kindNames[span.kind]}) of ${span.service}`;
    this.#seen.add(row);
    const unsaid = Object.keys(span.attributes).filter(
      (name) => !row.attributes.has(name) && !this.#common.has(name),
    );
    return unsaid.length === 0 ? undefined : `${span.name}: ${unsaid}`;
  }

  /** Names of spans that the document has and nobody sent. */
  unseen(): string[] {
    return this.#rows.filter((row) => !this.#seen.has(row)).map(({ name }) => name.source);
  }
}

/** The cells of tables, but for their heads. */
function rowsOf(text: string): string[][] {
  const lines = text.split("\n").filter((line) => line.startsWith("| `"));
  return lines.map((line) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}

/** What stands in backquotes, else the words. */
function wordsOf(cell: string): string[] {
  const quoted = [...cell.matchAll(/`([^`]+)`/g)].map(([, word = ""]) => word);
  return quoted.length > 0 ? quoted : cell.split(", ");
}

/** Words in capitals stand for any word: `METHOD ROUTE`. */
function patternOf(cell: string): RegExp {
  const [name = ""] = wordsOf(cell);
  const escaped = name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll(/\b(METHOD|ROUTE|SERVICE|SCRIPT)\b/g, "[^ ]+")}$`);
}
