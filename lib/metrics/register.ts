import type { Metric, MetricType, Registry } from "prom-client";

/** The latest trace of a bucket, as prom-client has it. */
export interface Exemplar {
  readonly labelSet: Readonly<Record<string, string>>;
  readonly value: number;
  /** Seconds since 1970. */
  readonly timestamp: number;
}

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  /** Where it is not the metric's own: `…_bucket`, say. */
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Null in histograms of prom-client. */
  readonly exemplar?: Exemplar | null;
}

/** What is known of one metric when it is scraped. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: `${MetricType}`;
  readonly values: readonly Sample[];
}

type Read<T> = () => T | Promise<T>;

/** A metric whose samples are read when it is scraped, and cost nothing before. */
export function registerMetric(
  registry: Registry,
  metric: Omit<Family, "values"> & { readonly read: Read<readonly Sample[]> },
): void {
  const { read, ...described } = metric;
  const get = async () => ({ ...described, aggregator: "sum", values: await read() });
  // The registry asks a metric for its name and for what `get` returns, and nothing else.
  registry.registerMetric({ name: described.name, get, reset() {} } as unknown as Metric);
}

/** A gauge or counter of one number. */
export function registerNumber(
  registry: Registry,
  metric: Omit<Family, "values"> & { readonly read: Read<number> },
): void {
  const read = async () => [{ labels: {}, value: await metric.read() }];
  registerMetric(registry, { ...metric, read });
}

/** The same with a number for each value of one label. */
export function registerNumbers(
  registry: Registry,
  metric: Omit<Family, "values"> & {
    readonly label: string;
    readonly read: Read<Readonly<Record<string, number>>>;
  },
): void {
  const { label, read: readNumbers, ...described } = metric;
  const read = async () =>
    Object.entries(await readNumbers()).map(([key, value]) => ({
      labels: { [label]: key },
      value,
    }));
  registerMetric(registry, { ...described, read });
}
