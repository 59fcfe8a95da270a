import { limitOf, type Row } from "./bench.js";

const header = [
  "case",
  "texts/s",
  "of limit",
  "limit before, after",
  "p50 ms",
  "p95 ms",
  "p99 ms",
  "server CPU ms/text",
  "load CPU µs/call",
  "others' CPU",
  "notes",
] as const;

/** The rows as a Markdown table. */
export function toTable(rows: readonly Row[]): string {
  return toMarkdown(header, rows.map(toCells));
}

/** One row as a line, for the impatient. */
export function toLine(row: Row): string {
  return toCells(row).join(" | ");
}

export function toMarkdown(
  columns: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const all = [columns, columns.map(() => "---"), ...rows];
  return all.map((line) => `| ${line.join(" | ")} |`).join("\n");
}

/** A number as text; a dash for what was not measured. */
export function shown(value: number, digits: number): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "-";
}

function toCells(row: Row): string[] {
  const { loaded, limits, name } = row;
  const { textsPerSecond, latencies, generatorMicroseconds, cpuMsPerText, othersShare } = loaded;
  return [
    name,
    shown(textsPerSecond, 0),
    `${shown((100 * textsPerSecond) / limitOf(row), 0)} %`,
    limits.map((limit) => `${shown(limit.textsPerSecond, 0)} (${limit.split})`).join(", "),
    shown(latencies.p50, 1),
    shown(latencies.p95, 1),
    shown(latencies.p99, 1),
    shown(cpuMsPerText, 2),
    shown(generatorMicroseconds, 0),
    `${shown(100 * othersShare, 0)} %`,
    [...row.notes, ...refusals(row)].join("; "),
  ];
}

function refusals({ loaded: { sheds, failures } }: Row): string[] {
  const { p50, p99 } = sheds.latencies;
  const shed = `shed ${shown(sheds.perSecond, 0)}/s, p50 ${shown(p50, 1)}, p99 ${shown(p99, 1)} ms`;
  const failed = `${failures} FAILED`;
  return [...(Number.isFinite(p50) ? [shed] : []), ...(failures > 0 ? [failed] : [])];
}
