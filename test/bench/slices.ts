import { mean, median } from "./measure.js";

/** What a mesh did in a slice of time. */
export interface Slice {
  readonly isTraced: boolean;
  readonly requests: number;
  readonly seconds: number;
  /** Of all its threads. */
  readonly cpuSeconds: number;
}

/** What traced slices were of those around them. */
export interface Cost {
  readonly requestsPerSecond: number;
  /** 1: as many requests as without tracing. */
  readonly throughput: Estimate;
  /** CPU time a request; 1: as much as without tracing. */
  readonly cpu: Estimate;
  /** Seconds of CPU that tracing adds to a request. */
  readonly cpuSecondsMore: number;
}

export interface Estimate {
  readonly median: number;
  /** Standard error of the mean. */
  readonly error: number;
}

/**
 * Compares each traced slice with the two around it, so that the machine, which is another from second to second, is the
 * same for both. Slices come in turns; the first and the last may be cut, and do not count.
 */
export function costOf(slices: readonly Slice[]): Cost {
  const throughputs: number[] = [];
  const cpus: number[] = [];
  const more: number[] = [];
  const whole = slices.slice(1, -1);
  for (const [index, traced] of whole.entries()) {
    const before = whole[index - 1];
    const after = whole[index + 1];
    if (!traced.isTraced || before === undefined || after === undefined) continue;
    const untraced = sum(before, after);
    if (traced.requests === 0 || untraced.requests === 0) continue;
    throughputs.push(perSecond(traced) / perSecond(untraced));
    cpus.push(perRequest(traced) / perRequest(untraced));
    more.push(perRequest(traced) - perRequest(untraced));
  }
  return {
    requestsPerSecond: mean(whole.map(perSecond)),
    throughput: estimate(throughputs),
    cpu: estimate(cpus),
    cpuSecondsMore: median(more),
  };
}

type Amounts = Omit<Slice, "isTraced">;

function sum(a: Amounts, b: Amounts): Amounts {
  return {
    requests: a.requests + b.requests,
    seconds: a.seconds + b.seconds,
    cpuSeconds: a.cpuSeconds + b.cpuSeconds,
  };
}

function perSecond({ requests, seconds }: Amounts): number {
  return requests / seconds;
}

function perRequest({ requests, cpuSeconds }: Amounts): number {
  return cpuSeconds / requests;
}

function estimate(values: readonly number[]): Estimate {
  const average = mean(values);
  const variance = mean(values.map((value) => (value - average) ** 2));
  return { median: median(values), error: Math.sqrt(variance / values.length) };
}
