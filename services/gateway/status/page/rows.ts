import type { Cell, Row } from "./data-table.js";
import { format, formatAge, formatBytes, type Unit } from "./format.js";
import { countOf, meanOf, quantileOf } from "./histogram.js";
import { betweenOf, isRequest, keyOf, rateOf, type Span, sumOf } from "./reading.js";
import type { CallJson, HistogramJson, ModelJson, ProcessJson } from "./status-json.js";

/** Methods that are shown: the busiest. */
const methodsMax = 12;

export function processRows(processes: readonly ProcessJson[], spans: readonly Span[]): Row[] {
  return processes.map((process) => {
    const span = spans.filter(({ to }) => to === process);
    const { residentBytes, connections } = process.resources ?? {};
    const rate = (total: (of: ProcessJson) => number, unit: Unit) =>
      format(span.length === 0 ? undefined : rateOf(span, total), unit);
    const calls = ({ calls: all }: ProcessJson) => sumOf(all.filter(isFromOutside), countIn);
    return {
      key: process.instanceId || process.roles.join(),
      title: process.roles.join(", "),
      subtitle: process.instanceId.slice(0, 8),
      cells: [
        stateOf(process),
        rate(calls, "perSecond"),
        rate(({ resources }) => resources?.cpuSeconds ?? 0, "share"),
        rate(({ resources }) => resources?.eventLoopBusySeconds ?? 0, "share"),
        formatBytes(residentBytes),
        format(connections, "count"),
        process.instanceId === "" ? "" : formatAge(process.uptimeMs),
        process.problem || process.version,
      ],
    };
  });
}

function stateOf({ answering, ready, ageMs, instanceId }: ProcessJson): Cell {
  if (!answering) {
    return { text: instanceId === "" ? "down" : `down for ${formatAge(ageMs)}`, level: "bad" };
  }
  return ready ? { text: "ready", level: "good" } : { text: "not ready", level: "warn" };
}

/** A local call is part of one that came from outside. */
function isFromOutside({ protocol }: CallJson): boolean {
  return protocol !== "local";
}

export function modelRows(spans: readonly Span[]): Row[] {
  const names = new Set(spans.flatMap(({ to }) => to.models.map(({ name }) => name)));
  return [...names].sort().map((name) => {
    const own = ({ models }: ProcessJson) => models.filter((model) => model.name === name);
    const between = (read: (model: ModelJson) => HistogramJson | undefined) =>
      betweenOf(spans, own, () => name, read);
    const rate = (read: (model: ModelJson) => number) =>
      rateOf(spans, (process) => sumOf(own(process), read));
    const now = spans.flatMap(({ to }) => own(to));
    const total = (read: (model: ModelJson) => number) => format(sumOf(now, read), "count");
    const compute = between(({ computeSeconds }) => computeSeconds);
    const isHealthy = now.every(({ healthy }) => healthy);
    const state: Cell = isHealthy
      ? { text: "ready", level: "good" }
      : { text: "workers do not answer", level: "bad" };
    return {
      key: name,
      title: name,
      subtitle: now.length > 1 ? `in ${now.length} processes` : "",
      cells: [
        state,
        total(({ queueLength }) => queueLength),
        format(
          rate((model) => countIn({ seconds: model.queueSeconds })),
          "perSecond",
        ),
        format(
          rate(({ tokens }) => tokens),
          "perSecond",
        ),
        format(meanOf(between(({ batchSequences }) => batchSequences)), "count"),
        format(secondsToMs(quantileOf(compute, 0.5)), "milliseconds"),
        total(({ shed }) => shed),
        total(({ expired }) => expired),
        total(({ workerRestarts }) => workerRestarts),
      ],
    };
  });
}

export function methodRows(spans: readonly Span[]): Row[] {
  const ended = spans.flatMap(({ to }) => to.calls.filter(isRequest));
  const methods = new Map(ended.map((call) => [`${call.protocol} ${call.method}`, call]));
  const rows = [...methods].map(([key, { method, protocol }]) => {
    const own = ({ calls }: ProcessJson) =>
      calls.filter(
        (call) => isRequest(call) && call.method === method && call.protocol === protocol,
      );
    const rate = (calls: (call: CallJson) => boolean) =>
      rateOf(spans, (process) => sumOf(own(process).filter(calls), countIn));
    const all = rate(() => true);
    const seconds = betweenOf(spans, own, keyOf, (call) => call.seconds);
    const total = sumOf(
      spans.flatMap(({ to }) => own(to)),
      countIn,
    );
    return {
      row: {
        key,
        title: method,
        subtitle: protocol,
        cells: [
          format(all, "perSecond"),
          format(
            rate(({ httpStatus }) => httpStatus === 429),
            "perSecond",
          ),
          format(
            rate(({ httpStatus }) => httpStatus >= 500),
            "perSecond",
          ),
          format(secondsToMs(quantileOf(seconds, 0.5)), "milliseconds"),
          format(secondsToMs(quantileOf(seconds, 0.99)), "milliseconds"),
          format(total, "count"),
        ],
      },
      order: [all, total] as const,
    };
  });
  const busiest = rows.sort((a, b) => b.order[0] - a.order[0] || b.order[1] - a.order[1]);
  return busiest.slice(0, methodsMax).map(({ row }) => row);
}

export function limitRows(spans: readonly Span[]): Row[] {
  const names = new Set(spans.flatMap(({ to }) => to.limits.map(({ name }) => name)));
  return [...names].sort().map((name) => {
    const sum = (read: (limit: ProcessJson["limits"][number]) => number) => {
      const total = ({ limits }: ProcessJson) =>
        sumOf(
          limits.filter((limit) => limit.name === name),
          read,
        );
      return { rate: rateOf(spans, total), total: sumOf(spans, ({ to }) => total(to)) };
    };
    const refused = sum((limit) => limit.refused);
    return {
      key: name,
      title: name,
      cells: [
        format(sum(({ allowed }) => allowed).rate, "perSecond"),
        format(refused.rate, "perSecond"),
        format(refused.total, "count"),
        format(sum(({ shadowRefused }) => shadowRefused).total, "count"),
        format(sum(({ degraded }) => degraded).total, "count"),
      ],
    };
  });
}

export function breakerRows(spans: readonly Span[]): Row[] {
  return spans.flatMap(({ to: { breakers, instanceId, roles } }) =>
    breakers.map(({ name, state, failures }) => ({
      key: `${instanceId} ${name}`,
      title: name,
      subtitle: roles.join(", "),
      cells: [breakerStates[state], format(failures, "count")],
    })),
  );
}

const breakerStates: Readonly<Record<ProcessJson["breakers"][number]["state"], Cell>> = {
  BREAKER_STATE_UNSPECIFIED: "unknown",
  BREAKER_STATE_CLOSED: { text: "closed", level: "good" },
  BREAKER_STATE_HALF_OPEN: { text: "half open", level: "warn" },
  BREAKER_STATE_OPEN: { text: "open", level: "bad" },
};

function countIn({ seconds }: Pick<CallJson, "seconds">): number {
  return seconds === undefined ? 0 : countOf(seconds);
}

function secondsToMs(seconds: number | undefined): number | undefined {
  return seconds === undefined ? undefined : seconds * 1_000;
}
