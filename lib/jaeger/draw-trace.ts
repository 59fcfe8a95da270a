import { spanFacts } from "./span-facts.js";
import { traceProblems } from "./trace-problems.js";
import { type TraceRow, traceRows } from "./trace-rows.js";
import type { SpanEvent, TraceSpan } from "./trace-span.js";
import type { TraceTree } from "./trace-tree.js";

export interface DrawingOptions {
  readonly isColoured: boolean;
  /** Every attribute instead of the telling ones. */
  readonly isFull: boolean;
  /** A span to point at. */
  readonly spanId?: string | undefined;
}

type Paint = (code: number, text: string) => string;

/** Longer names push their own line aside, not those of all others. */
const columnMax = 56;
/** A batch has links to all its requests. */
const linksShownMax = 64;
const msWidth = 9;
const codes = { bold: 1, dim: 2, red: 31, yellow: 33 };
const serviceCodes = [36, 32, 35, 34, 96, 92, 95, 94];

/** A trace for a terminal: what it is, what is wrong with it, then a line for each span with its time as a bar. */
export function drawTrace(tree: TraceTree, options: DrawingOptions): string {
  const paint = createPaint(options.isColoured);
  const { rows, startUs, durationUs } = traceRows(tree);
  const services = [...new Set(rows.map(({ span }) => span.service))];
  const widths = { service: widthOf(services), label: widthOf(rows.map(({ label }) => label)) };
  const lines = rows.flatMap((row) => {
    const code = serviceCodes[services.indexOf(row.span.service) % serviceCodes.length] ?? 0;
    const margin = " ".repeat(widths.service + 2) + row.indent;
    return [
      toLine(row, { ...options, widths, code, paint }),
      ...remarks(row.span, startUs, paint).map((remark) => margin + remark),
    ];
  });
  const titles = [
    "SERVICE".padEnd(widths.service),
    "SPAN".padEnd(widths.label),
    "AT ms".padStart(msWidth),
    "TAKES ms".padStart(msWidth),
  ];
  const head = [
    paint(codes.bold, `trace ${rows[0]?.span.traceId ?? ""}`),
    summary(rows, services, startUs, durationUs),
    ...traceProblems(tree).map((problem) => paint(codes.yellow, `! ${clean(problem)}`)),
    "",
    paint(codes.dim, titles.join("  ")),
  ];
  return `${[...head, ...lines].join("\n")}\n`;
}

function createPaint(isColoured: boolean): Paint {
  return (code, text) => (isColoured ? `\u001b[${code}m${text}\u001b[0m` : text);
}

function summary(
  rows: readonly TraceRow[],
  services: readonly string[],
  startUs: number,
  durationUs: number,
): string {
  const errors = rows.filter(({ span }) => span.isError).length;
  return [
    new Date(startUs / 1_000).toISOString(),
    `${toMs(durationUs)} ms`,
    counted(rows.length, "span"),
    counted(services.length, "service"),
    ...(errors > 0 ? [counted(errors, "error")] : []),
  ].join(", ");
}

interface LineOptions extends DrawingOptions {
  readonly widths: { readonly service: number; readonly label: number };
  /** The colour of its service. */
  readonly code: number;
  readonly paint: Paint;
}

function toLine({ span, label, depth, atUs, bar }: TraceRow, options: LineOptions): string {
  const { widths, code, paint, spanId, isFull } = options;
  const name = clean(label).padEnd(widths.label);
  const columns = [
    paint(code, clean(span.service).padEnd(widths.service)),
    span.isError ? paint(codes.red, name) : name,
    toMs(atUs).padStart(msWidth),
    toMs(span.durationUs).padStart(msWidth),
    paint(span.isError ? codes.red : code, bar),
    spanFacts(span, { isFull, isRoot: depth === 0 })
      .map(clean)
      .join(" "),
  ];
  const mark = span.spanId === spanId ? paint(codes.bold, "  <== this span") : "";
  return columns.join("  ").trimEnd() + mark;
}

/** What stands below the line of a span: why it failed, what happened in it, what it is linked with. */
function remarks(span: TraceSpan, startUs: number, paint: Paint): string[] {
  const description = span.attributes["otel.status_description"];
  // Whoever looks from a batch finds requests, and the other way round.
  const target = span.name === "batch" ? "request" : "batch";
  const links = span.links
    .slice(0, linksShownMax)
    .map(({ traceId, spanId }) => paint(codes.dim, `-> ${target} ${traceId}/${spanId}`));
  const more = span.links.length - links.length;
  return [
    ...(span.isError
      ? [paint(codes.red, clean(`error: ${description ?? "without a description"}`))]
      : []),
    ...span.events.map((event) => clean(toText(event, startUs))),
    ...links,
    ...(more > 0 ? [paint(codes.dim, `-> and ${more} more; --json has all`)] : []),
    ...span.warnings
      .filter(isNews)
      .map((warning) => paint(codes.yellow, clean(`! Jaeger: ${warning}`))),
  ];
}

/** Missing parents are told above the tree. */
function isNews(warning: string): boolean {
  return !warning.startsWith("invalid parent span IDs=");
}

function toText({ name, atUs, attributes }: SpanEvent, startUs: number): string {
  const message = attributes["exception.message"];
  return `* ${toMs(atUs - startUs)} ms ${name}${message === undefined ? "" : `: ${message}`}`;
}

function widthOf(texts: readonly string[]): number {
  const longest = texts.reduce((most, text) => Math.max(most, clean(text).length), 7);
  return Math.min(longest, columnMax);
}

/** What others wrote must not command the terminal, nor break a line. */
function clean(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u{${code.toString(16)}}`;
  });
}

function toMs(us: number): string {
  return (us / 1_000).toFixed(2);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
