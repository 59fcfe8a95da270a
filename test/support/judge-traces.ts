import { setTimeout as sleep } from "node:timers/promises";
import type { JaegerQuery } from "../../lib/jaeger/jaeger-query.js";
import type { SpanPlace, TraceSpan } from "../../lib/jaeger/trace-span.js";
import type { SentRequest } from "./drive-protocols.js";
import { type TraceExpectation, type TraceFault, traceFaults } from "./trace-faults.js";

/** What became of the traces of one protocol, or of what the mesh does by itself. */
export interface Verdict {
  readonly name: string;
  requests: number;
  failed: number;
  traces: number;
  spans: number;
  readonly faults: TraceFault[];
}

export interface Judgement {
  readonly verdicts: readonly Verdict[];
  readonly faults: readonly TraceFault[];
  /** Links to a span that Jaeger should have and has not. */
  readonly lostLinks: readonly string[];
  readonly linkCount: number;
}

export interface Evidence {
  readonly query: JaegerQuery;
  readonly sent: readonly SentRequest[];
  /** Whether every request was to be kept; otherwise a request may well have no trace. */
  readonly isSampled: boolean;
  /** The process that was killed with spans it had not sent. */
  readonly victimPid: number;
  readonly killedMs: number;
}

const gateway = "arrowmesh-gateway";
const inference = "arrowmesh-inference";
const services = [gateway, inference, "arrowmesh-ratelimit", "arrowmesh-tokenizer"];
const tracesMax = 20_000;
/** How long spans may have waited in the process that was killed; they are lost with it. */
const unsentMsMax = 2_000;
/** Jaeger has a queue of its own before its memory. */
const settleMsMax = 15_000;

/** Asks Jaeger for every trace it has, those of the requests and all others, and judges each. */
export async function judgeTraces(evidence: Evidence): Promise<Judgement> {
  const deadline = Date.now() + settleMsMax;
  for (;;) {
    const judgement = judge(await allTraces(evidence.query), evidence);
    const isGood = judgement.faults.length === 0 && judgement.lostLinks.length === 0;
    if (isGood || Date.now() > deadline) return judgement;
    await sleep(1_000);
  }
}

type Traces = ReadonlyMap<string, readonly TraceSpan[]>;

async function allTraces(query: JaegerQuery): Promise<Traces> {
  const traces = new Map<string, readonly TraceSpan[]>();
  for (const service of services) {
    for (const spans of await query.traces({ service, tracesMax })) {
      const [first] = spans;
      if (first !== undefined) traces.set(first.traceId, spans);
    }
  }
  return traces;
}

function judge(traces: Traces, evidence: Evidence): Judgement {
  const verdicts = new Map<string, Verdict>();
  const verdictOf = (name: string): Verdict => {
    const known = verdicts.get(name);
    if (known !== undefined) return known;
    const verdict = { name, requests: 0, failed: 0, traces: 0, spans: 0, faults: [] };
    verdicts.set(name, verdict);
    return verdict;
  };
  const strangers = new Map(traces);
  for (const request of evidence.sent) {
    judgeRequest(verdictOf(request.protocol), request, traces, evidence);
    strangers.delete(request.traceId);
  }
  for (const [traceId, spans] of strangers) {
    const name = spans.some((span) => span.name === "batch") ? "batches" : "other work";
    add(verdictOf(name), traceId, spans, { services: [] });
  }
  const all = [...verdicts.values()];
  const faults = all.flatMap((verdict) => verdict.faults);
  return { verdicts: all, faults, ...judgeLinks(traces, evidence) };
}

function judgeRequest(
  verdict: Verdict,
  request: SentRequest,
  traces: Traces,
  evidence: Evidence,
): void {
  const { traceId, callerSpanId, error } = request;
  const { isSampled } = evidence;
  verdict.requests += 1;
  if (error !== undefined) verdict.failed += 1;
  const spans = traces.get(traceId) ?? [];
  if (spans.length === 0 && !isSampled) return;
  add(verdict, traceId, spans, {
    // A caller that keeps nothing is no parent that anybody could find.
    callerSpanId: isSampled ? callerSpanId : undefined,
    services: error === undefined && isSampled ? rolesOf(request, evidence) : [gateway],
  });
}

/** Whoever was answered just before the kill may have been answered by the victim, whose spans had not left it yet. */
function rolesOf({ beganMs, endedMs }: SentRequest, { killedMs }: Evidence): string[] {
  const mayBeLost = beganMs < killedMs && endedMs > killedMs - unsentMsMax;
  return services.filter((service) => !mayBeLost || service !== inference);
}

function add(
  verdict: Verdict,
  traceId: string,
  spans: readonly TraceSpan[],
  expectation: TraceExpectation,
): void {
  verdict.traces += spans.length > 0 ? 1 : 0;
  verdict.spans += spans.length;
  for (const { kind, text } of traceFaults(spans, expectation)) {
    verdict.faults.push({ kind, text: `${verdict.name}, trace ${traceId}: ${text}` });
  }
}

function judgeLinks(
  traces: Traces,
  { isSampled, victimPid }: Evidence,
): Pick<Judgement, "lostLinks" | "linkCount"> {
  const all = [...traces.values()].flat();
  const places = new Set(all.map(placeOf));
  const linked = all.filter(({ links }) => links.length > 0);
  const reliable = linked.filter(({ resource, parentId }) => {
    // A killed process takes spans with it, so what it sent before may lead nowhere.
    if (Number(resource["process.pid"]) === victimPid) return false;
    // What requests share, a root, is kept for one of them, and has links to those that were not kept, too.
    return isSampled || parentId !== undefined;
  });
  const lostLinks = reliable.flatMap((span) =>
    span.links
      .filter((link) => !places.has(placeOf(link)))
      .map((link) => `${span.name} ${placeOf(span)} -> ${placeOf(link)}`),
  );
  return { lostLinks, linkCount: linked.reduce((sum, { links }) => sum + links.length, 0) };
}

function placeOf({ traceId, spanId }: SpanPlace): string {
  return `${traceId}/${spanId}`;
}
