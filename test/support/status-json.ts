import type {
  CallJson,
  HistogramJson,
  ModelJson,
  ProcessJson,
} from "../../services/gateway/status/page/status-json.js";

/** A process that has done nothing, but for what a test says. */
export function fakeProcess(over: Partial<ProcessJson> = {}): ProcessJson {
  return {
    instanceId: "one",
    roles: ["gateway"],
    answering: true,
    problem: "",
    ageMs: 0,
    ready: true,
    version: "0.0.0",
    uptimeMs: 0,
    resources: { residentBytes: 0, cpuSeconds: 0, eventLoopBusySeconds: 0 },
    calls: [],
    gateway: undefined,
    models: [],
    limits: [],
    breakers: [],
    ...over,
  };
}

/** A hundred milliseconds, a second, and over. */
export function fakeHistogram(counts: readonly number[], sum = 0): HistogramJson {
  return { bounds: [0.1, 1], counts, sum };
}

export function fakeCall(httpStatus: number, counts: readonly number[]): CallJson {
  return {
    role: "gateway",
    method: "POST /embed",
    protocol: "http",
    outcome: String(httpStatus),
    httpStatus,
    seconds: fakeHistogram(counts),
  };
}

export function fakeModel(over: Partial<ModelJson> = {}): ModelJson {
  return {
    name: "model",
    healthy: true,
    queueLength: 0,
    queueSeconds: fakeHistogram([]),
    computeSeconds: fakeHistogram([]),
    batchSequences: fakeHistogram([]),
    tokens: 0,
    paddingTokens: 0,
    shed: 0,
    expired: 0,
    workerRestarts: 0,
    ...over,
  };
}
