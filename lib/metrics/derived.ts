import type { Registry } from "prom-client";
import { type Family, registerMetric, type Sample } from "./register.js";

/**
 * Another name for what is counted already: read from the metric `from` when it is scraped, so that requests do not pay
 * for it. Samples that come to have the same name and labels are added up.
 */
export function registerDerived(
  registry: Registry,
  derived: Omit<Family, "values"> & {
    readonly from: string;
    /** What becomes of a sample; undefined: it is left out. */
    readonly map: (sample: Sample) => Sample | undefined;
  },
): void {
  const { from, map, ...metric } = derived;
  registerMetric(registry, {
    ...metric,
    async read() {
      const family = await registry.getSingleMetric(from)?.get();
      // What prom-client's type says of labels allows for some that are undefined, which no metric here has.
      return addUp((family?.values ?? []) as readonly Sample[], map);
    },
  });
}

function addUp(
  samples: readonly Sample[],
  map: (sample: Sample) => Sample | undefined,
): readonly Sample[] {
  const sums = new Map<string, Sample>();
  for (const sample of samples) {
    const mapped = map(sample);
    if (mapped === undefined) continue;
    const key = JSON.stringify([mapped.metricName, mapped.labels]);
    const sum = sums.get(key);
    sums.set(key, sum === undefined ? mapped : { ...sum, value: sum.value + mapped.value });
  }
  return [...sums.values()];
}

/** For a histogram under another name, with other labels: `labels` gets those of a series. */
export function renameHistogram(
  from: string,
  to: string,
  labels: (labels: Sample["labels"]) => Sample["labels"],
): (sample: Sample) => Sample {
  return (sample) => {
    const { le, ...others } = sample.labels;
    const renamed = labels(others);
    return {
      ...sample,
      metricName: `${to}${(sample.metricName ?? from).slice(from.length)}`,
      labels: le === undefined ? renamed : { le, ...renamed },
    };
  };
}
