import type { Registry } from "prom-client";

/** One series of a metric. */
export interface Series<T> {
  readonly labels: Labels;
  readonly value: T;
}

type Labels = Readonly<Record<string, string | number>>;

/** With the count of each bucket by itself; there is one more of them than there are bounds. */
export interface Buckets {
  readonly bounds: number[];
  readonly counts: number[];
  sum: number;
}

/** The numbers of a counter or gauge; none where there is no such metric. */
export async function readSeries(registry: Registry, name: string): Promise<Series<number>[]> {
  const metric = await registry.getSingleMetric(name)?.get();
  return (metric?.values ?? []).map(({ labels, value }) => ({ labels: present(labels), value }));
}

/** The only number of a metric without labels. */
export async function readNumber(registry: Registry, name: string): Promise<number | undefined> {
  return (await readSeries(registry, name))[0]?.value;
}

/** The histograms of a metric; none where there is no such metric. */
export async function readHistograms(registry: Registry, name: string): Promise<Series<Buckets>[]> {
  const metric = await registry.getSingleMetric(name)?.get();
  const byLabels = new Map<string, Series<Buckets>>();
  for (const of of metric?.values ?? []) {
    const { le, ...labels } = present(of.labels);
    const key = JSON.stringify(labels);
    const known = byLabels.get(key) ?? { labels, value: { bounds: [], counts: [], sum: 0 } };
    byLabels.set(key, known);
    // What a number of a histogram is stands in a field that prom-client declares for other types only.
    const { metricName } = of as { readonly metricName?: string };
    if (metricName === `${name}_sum`) known.value.sum = of.value;
    if (metricName === `${name}_bucket`) addBucket(known.value, le, of.value);
  }
  return [...byLabels.values()];
}

/** A registry's buckets come in order, and each counts what fell into those before it, too. */
function addBucket(
  { bounds, counts }: Buckets,
  le: string | number | undefined,
  total: number,
): void {
  const before = counts.reduce((sum, count) => sum + count, 0);
  counts.push(total - before);
  if (le !== "+Inf") bounds.push(Number(le));
}

function present(labels: Partial<Record<string, string | number>>): Labels {
  const entries = Object.entries(labels).filter(([, value]) => value !== undefined);
  // What is undefined has just been left out.
  return Object.fromEntries(entries) as Labels;
}
