// What a dashboard says, without how Grafana stores it; to-grafana.ts does that part.

/** One page of panels. */
export interface Dashboard {
  /** Part of its address; links hold as long as it stays. */
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  /** What can be chosen above the panels, beside the mesh (`$job`). */
  readonly variables: readonly ("instance" | "model")[];
  readonly rows: readonly Row[];
}

export interface Row {
  readonly title: string;
  /** From left to right; where a line is full (24 columns) the next begins. */
  readonly panels: readonly Panel[];
}

export interface Panel {
  readonly kind: "stat" | "timeseries" | "heatmap" | "table";
  readonly title: string;
  /** What it shows, and what is wrong when it looks wrong. */
  readonly description: string;
  readonly unit: Unit;
  /** Of 24 columns. */
  readonly width: number;
  readonly queries: readonly Query[];
  /** Green below the first; each colours from its value on. */
  readonly thresholds?: readonly Threshold[];
  /** Adds series up instead of laying them over each other. */
  readonly isStacked?: boolean;
  /** Words in place of numbers. */
  readonly words?: Readonly<Record<string, { readonly text: string; readonly color: Color }>>;
}

export interface Query {
  readonly expr: string;
  readonly legend: string;
  /** Shows the traces behind the numbers; only for queries of histograms themselves, as recorded series have none. */
  readonly hasExemplars?: boolean;
}

export interface Threshold {
  readonly from: number;
  readonly color: Color;
}

export type Color = "green" | "yellow" | "orange" | "red";

/** Grafana's names. */
export type Unit =
  | "reqps"
  | "ops"
  | "percentunit"
  | "s"
  | "bytes"
  | "short"
  | "none"
  | "cps"
  | "bool";

/** p50, p95 and p99 of a histogram, with the traces behind them. */
export function quantiles(histogram: string, selector: string, by?: string): readonly Query[] {
  return ["0.5", "0.95", "0.99"].map((quantile) => ({
    expr:
      `histogram_quantile(${quantile}, sum by (${by === undefined ? "" : `${by}, `}le) ` +
      `(rate(${histogram}_bucket{${selector}}[$__rate_interval])))`,
    legend: `p${Number(quantile) * 100}${by === undefined ? "" : ` {{${by}}}`}`,
    hasExemplars: quantile === "0.99",
  }));
}

/** The mean of what a histogram saw. */
export function mean(histogram: string, selector: string, by: string): string {
  const part = (suffix: string) =>
    `sum by (${by}) (rate(${histogram}_${suffix}{${selector}}[$__rate_interval]))`;
  return `${part("sum")} / ${part("count")}`;
}

/** How fast a counter grows. */
export function rate(counter: string, selector: string, by: string): string {
  return `sum by (${by}) (rate(${counter}{${selector}}[$__rate_interval]))`;
}
