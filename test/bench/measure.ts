/** One call of a load. Times are milliseconds of one clock. */
export interface Call {
  /** When it should have been sent; in an open loop that may be before it could be. */
  readonly dueAt: number;
  /** Infinity while no answer has come. */
  answeredAt: number;
  /** As of HTTP; 0 while no answer has come, or when none came. */
  status: number;
}

export interface Span {
  readonly from: number;
  readonly until: number;
}

/** Milliseconds; NaN of nothing. */
export interface Latencies {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** What one load measured. */
export interface Measurement {
  readonly textsPerSecond: number;
  readonly latencies: Latencies;
  /** Refused as overload or by a limit (429). */
  readonly sheds: { readonly perSecond: number; readonly latencies: Latencies };
  /** Neither answered nor shed, over the whole load. */
  readonly failures: number;
}

export interface SummaryOptions {
  readonly span: Span;
  readonly textsPerCall: number;
  /** Whether as many calls are under way at the end of the span as at its begin, as in a closed loop. */
  readonly isSteady: boolean;
}

/**
 * Throughput is of the successes that arrive within the span. A steady load counts each one by the share of its time
 * that lies within, so that a few long calls do not make the number jump; where a queue grows, that would flatter.
 * Latency is of the successes that were due within the span, whenever they arrive. A shed or a failure is neither
 * throughput nor latency: it is often faster than an answer.
 */
export function summarize(calls: readonly Call[], options: SummaryOptions): Measurement {
  const { span, textsPerCall, isSteady } = options;
  const seconds = (span.until - span.from) / 1_000;
  const isWithin = (time: number) => time >= span.from && time < span.until;
  const successes = calls.filter(isSuccess);
  const sheds = calls.filter(isShed);
  const latenciesOf = (chosen: readonly Call[]) =>
    toLatencies(chosen.filter((call) => isWithin(call.dueAt)));
  const weightOf = (call: Call): number =>
    isSteady ? shareWithin(call, span) : Number(isWithin(call.answeredAt));
  const perSecond = (chosen: readonly Call[]) =>
    chosen.reduce((sum, call) => sum + weightOf(call), 0) / seconds;
  return {
    textsPerSecond: perSecond(successes) * textsPerCall,
    latencies: latenciesOf(successes),
    sheds: { perSecond: perSecond(sheds), latencies: latenciesOf(sheds) },
    failures: calls.length - successes.length - sheds.length,
  };
}

/** Nearest rank; NaN of nothing. */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return mean([percentile(sorted, 0.5), percentile(sorted, 0.5 + 0.5 / sorted.length)]);
}

function shareWithin({ dueAt, answeredAt }: Call, { from, until }: Span): number {
  const within = Math.min(answeredAt, until) - Math.max(dueAt, from);
  return Math.max(0, within) / (answeredAt - dueAt);
}

function isSuccess({ status }: Call): boolean {
  return status === 200;
}

function isShed({ status }: Call): boolean {
  return status === 429;
}

function toLatencies(calls: readonly Call[]): Latencies {
  const sorted = calls.map(({ dueAt, answeredAt }) => answeredAt - dueAt).toSorted((a, b) => a - b);
  return {
    p50: percentile(sorted, 0.5),
    p95: percentile(sorted, 0.95),
    p99: percentile(sorted, 0.99),
  };
}
