import type { Family, Sample } from "./register.js";

/**
 * Metrics as OpenMetrics 1.0 has them: with exemplars, which the older text has no place for. Written here because
 * prom-client would rename every counter that does not end in `_total`, and dashboards know these by their names.
 */
export function writeOpenMetrics(families: readonly Family[]): string {
  return `${families.map(writeFamily).join("")}# EOF\n`;
}

function writeFamily({ name, help, type, values }: Family): string {
  const isCounter = type === "counter" && name.endsWith(counterSuffix);
  const family = isCounter ? name.slice(0, -counterSuffix.length) : name;
  // A counter must be called `…_total` there; any other is of unknown type and keeps its name.
  const said = type === "counter" && !isCounter ? "unknown" : type;
  const head = `# TYPE ${family} ${said}\n# HELP ${family} ${escaped(help)}\n`;
  return head + values.map((sample) => writeSample(sample, name)).join("");
}

const counterSuffix = "_total";

function writeSample({ metricName, labels, value, exemplar }: Sample, name: string): string {
  const line = `${metricName ?? name}${writeLabels(labels)} ${numberOf(value)}`;
  if (exemplar === undefined || exemplar === null) return `${line}\n`;
  const { labelSet, timestamp } = exemplar;
  const ids = writeLabels(labelSet);
  return `${line} # ${ids} ${numberOf(exemplar.value)} ${timestamp.toFixed(3)}\n`;
}

function writeLabels(labels: Sample["labels"]): string {
  const pairs = Object.entries(labels).map(([name, value]) => {
    const text = name === "le" || name === "quantile" ? boundOf(value) : String(value);
    return `${name}="${escaped(text)}"`;
  });
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

function numberOf(value: number): string {
  if (Number.isFinite(value)) return String(value);
  if (Number.isNaN(value)) return "NaN";
  return value > 0 ? "+Inf" : "-Inf";
}

/** Bounds are compared as text by who scrapes, so the format says how Go writes them: 1.0, 1e-05, 1e+06. */
function boundOf(bound: string | number): string {
  const value = Number(bound);
  if (typeof bound === "string" && !Number.isFinite(value)) return bound;
  if (!Number.isFinite(value)) return numberOf(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-4 || size >= 1e6)) {
    return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
  }
  return Number.isInteger(value) ? value.toFixed(1) : String(value);
}
