import type { Measurement } from "./measure.js";

const header = ["case", "texts/s", "p50 ms", "p95 ms", "p99 ms", "of limit", "failed"] as const;

/** Measurements as a Markdown table; the ratio is to the limit of the same run. */
export function toTable(rows: readonly Measurement[], limit: Measurement): string {
  const cells = rows.map((row) => [
    row.name,
    row.textsPerSecond.toFixed(0),
    row.p50.toFixed(1),
    row.p95.toFixed(1),
    row.p99.toFixed(1),
    `${((100 * row.textsPerSecond) / limit.textsPerSecond).toFixed(0)} %`,
    String(row.failures),
  ]);
  const all = [[...header], header.map(() => "---"), ...cells];
  return all.map((line) => `| ${line.join(" | ")} |`).join("\n");
}
