/** What one case of the bench measured. */
export interface Measurement {
  readonly name: string;
  readonly textsPerSecond: number;
  /** Milliseconds from request to answer. */
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly failures: number;
}

export interface LoadOptions {
  readonly name: string;
  readonly concurrency: number;
  readonly seconds: number;
  readonly textsPerCall: number;
  /** Resolves when the answer is complete; rejects when it is not a success. */
  readonly call: () => Promise<void>;
}

/**
 * A closed loop: `concurrency` callers, each sends again as soon as it is answered. The first fifth warms up. Only
 * successes have a latency and count as throughput: a failure is often faster than an answer.
 */
export async function measure(options: LoadOptions): Promise<Measurement> {
  const latencies: number[] = [];
  let failures = 0;
  const begin = performance.now();
  const countFrom = begin + options.seconds * 200;
  const end = countFrom + options.seconds * 1_000;
  const caller = async (): Promise<void> => {
    for (let sentAt = begin; sentAt < end; ) {
      sentAt = performance.now();
      try {
        await options.call();
      } catch {
        failures += 1;
        continue;
      }
      const answeredAt = performance.now();
      if (answeredAt >= countFrom && answeredAt < end) latencies.push(answeredAt - sentAt);
    }
  };
  await Promise.all(Array.from({ length: options.concurrency }, caller));
  latencies.sort((a, b) => a - b);
  return {
    name: options.name,
    textsPerSecond: (latencies.length * options.textsPerCall) / options.seconds,
    p50: percentile(latencies, 0.5),
    p95: percentile(latencies, 0.95),
    p99: percentile(latencies, 0.99),
    failures,
  };
}

/** Nearest rank; NaN of nothing. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
