import { countOf, differenceOf, meanOf, mergeOf, quantileOf } from "./histogram.js";
import type { CallJson, HistogramJson, ProcessJson } from "./status-json.js";

/** One process at two moments: what it counted in between is the difference. */
export interface Span {
  readonly from: ProcessJson;
  readonly to: ProcessJson;
}

/** What the mesh did over some seconds, all processes together. What nothing happened for is undefined. */
export interface Reading {
  /** Requests a second at the gateways, by how they ended. */
  readonly answered: number;
  /** 429: a limit, or too much in work. */
  readonly refused: number;
  /** The caller's mistake, or the caller left. */
  readonly mistaken: number;
  /** Ours: 5xx. */
  readonly failed: number;
  /** Shares of all requests. */
  readonly failedShare: number | undefined;
  readonly refusedShare: number | undefined;
  readonly latencyP50Ms: number | undefined;
  readonly latencyP95Ms: number | undefined;
  readonly latencyP99Ms: number | undefined;
  /** Inputs in work at the gateways. */
  readonly inputs: number;
  /** Sequences that wait for a model. */
  readonly queueLength: number;
  readonly queueP50Ms: number | undefined;
  readonly queueP99Ms: number | undefined;
  readonly computeP50Ms: number | undefined;
  readonly computeP99Ms: number | undefined;
  readonly batchMean: number | undefined;
  readonly batchP95: number | undefined;
  readonly paddingShare: number | undefined;
  readonly tokens: number;
  /** Vectors a second, by where they came from. */
  readonly remembered: number;
  readonly shared: number;
  readonly computed: number;
  readonly rememberedShare: number | undefined;
  /** Decisions a second, each limit's by itself. */
  readonly allowed: number;
  readonly denied: number;
  readonly degraded: number;
}

/** Puts together what all processes did between two moments of each. */
export function readingOf(spans: readonly Span[]): Reading {
  const now = spans.map(({ to }) => to);
  return {
    ...requestsOf(spans),
    inputs: sumOf(now, ({ gateway }) => gateway?.inputs ?? 0),
    queueLength: sumOf(now, ({ models }) => sumOf(models, (model) => model.queueLength)),
    ...modelsOf(spans),
    ...vectorsOf(spans),
    allowed: rateOf(spans, ({ limits }) => sumOf(limits, ({ allowed }) => allowed)),
    denied: rateOf(spans, ({ limits }) => sumOf(limits, ({ refused }) => refused)),
    degraded: rateOf(spans, ({ limits }) => sumOf(limits, (limit) => limit.degraded)),
  };
}

function requestsOf(spans: readonly Span[]) {
  const callsOf = (ofStatus: (status: number) => boolean) =>
    rateOf(spans, ({ calls }) =>
      sumOf(calls, (call) => (isRequest(call) && ofStatus(call.httpStatus) ? countIn(call) : 0)),
    );
  const answered = callsOf((status) => status < 400);
  const refused = callsOf((status) => status === 429);
  const failed = callsOf((status) => status >= 500);
  const mistaken = callsOf((status) => status >= 400 && status < 500 && status !== 429);
  const all = answered + refused + failed + mistaken;
  // How soon mistakes are refused says nothing about the work.
  const seconds = betweenOf(spans, ({ calls }) => calls.filter(isAnswered), keyOf, secondsOf);
  return {
    ...{ answered, refused, failed, mistaken },
    failedShare: shareOf(failed, all),
    refusedShare: shareOf(refused, all),
    latencyP50Ms: msOf(quantileOf(seconds, 0.5)),
    latencyP95Ms: msOf(quantileOf(seconds, 0.95)),
    latencyP99Ms: msOf(quantileOf(seconds, 0.99)),
  };
}

function modelsOf(spans: readonly Span[]) {
  const between = (read: (model: ProcessJson["models"][number]) => HistogramJson | undefined) =>
    betweenOf(
      spans,
      ({ models }) => models,
      ({ name }) => name,
      read,
    );
  const queue = between(({ queueSeconds }) => queueSeconds);
  const compute = between(({ computeSeconds }) => computeSeconds);
  const batches = between(({ batchSequences }) => batchSequences);
  const tokens = rateOf(spans, ({ models }) => sumOf(models, (model) => model.tokens));
  const padding = rateOf(spans, ({ models }) => sumOf(models, (model) => model.paddingTokens));
  return {
    queueP50Ms: msOf(quantileOf(queue, 0.5)),
    queueP99Ms: msOf(quantileOf(queue, 0.99)),
    computeP50Ms: msOf(quantileOf(compute, 0.5)),
    computeP99Ms: msOf(quantileOf(compute, 0.99)),
    batchMean: meanOf(batches),
    batchP95: quantileOf(batches, 0.95),
    paddingShare: shareOf(padding, padding + tokens),
    tokens,
  };
}

function vectorsOf(spans: readonly Span[]) {
  const remembered = rateOf(spans, ({ gateway }) => gateway?.cacheHits ?? 0);
  const shared = rateOf(spans, ({ gateway }) => gateway?.cacheCoalesced ?? 0);
  const computed = rateOf(spans, ({ gateway }) => gateway?.cacheMisses ?? 0);
  const rememberedShare = shareOf(remembered, remembered + shared + computed);
  return { remembered, shared, computed, rememberedShare };
}

/** Whether a call is one that came to the mesh, not one inside of it. */
export function isRequest({ role }: CallJson): boolean {
  return role === "gateway";
}

function isAnswered(call: CallJson): boolean {
  return isRequest(call) && (call.httpStatus < 400 || call.httpStatus >= 500);
}

/** Tells the series of a process apart. */
export function keyOf({ role, method, protocol, outcome }: CallJson): string {
  return `${role} ${method} ${protocol} ${outcome}`;
}

function secondsOf({ seconds }: CallJson): HistogramJson | undefined {
  return seconds;
}

function countIn({ seconds }: CallJson): number {
  return seconds === undefined ? 0 : countOf(seconds);
}

/** How fast a total grew, all processes together, a second. */
export function rateOf(spans: readonly Span[], total: (process: ProcessJson) => number): number {
  return sumOf(spans, ({ from, to }) => {
    const ms = to.uptimeMs - from.uptimeMs;
    return ms > 0 ? ((total(to) - total(from)) * 1_000) / ms : 0;
  });
}

/** What the histograms of some things counted in between, all together. */
export function betweenOf<T>(
  spans: readonly Span[],
  things: (process: ProcessJson) => readonly T[],
  key: (thing: T) => string,
  read: (thing: T) => HistogramJson | undefined,
): HistogramJson {
  const differences = spans.flatMap(({ from, to }) => {
    const before = new Map(things(from).map((thing) => [key(thing), read(thing)]));
    return things(to).flatMap((thing) => {
      const histogram = read(thing);
      return histogram === undefined ? [] : [differenceOf(histogram, before.get(key(thing)))];
    });
  });
  return mergeOf(differences);
}

export function sumOf<T>(things: readonly T[], read: (thing: T) => number): number {
  return things.reduce((sum, thing) => sum + read(thing), 0);
}

export function shareOf(part: number, whole: number): number | undefined {
  return whole === 0 ? undefined : part / whole;
}

function msOf(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1_000;
}
