import {
  type ContextManager,
  propagation,
  ROOT_CONTEXT,
  type TextMapPropagator,
  trace,
} from "@opentelemetry/api";
import { NodeSDK } from "@opentelemetry/sdk-node";
import * as sdk from "@opentelemetry/sdk-trace";
import { Allowance } from "../allowance.js";
import type { Clock } from "../clock.js";
import type { Release } from "../defer.js";
import type { Log } from "../log.js";
import { createRedactor } from "../logging/redactor.js";
import type { TracingConfig } from "./config.js";
import { createTracing } from "./create-tracing.js";
import { createWarning, logDiagnostics } from "./diagnostics.js";
import type { ExportMetrics } from "./export-metrics.js";
import { createExporter, type ExporterKind } from "./exporters.js";
import { createPropagator } from "./propagator.js";
import { RandomIds } from "./random-ids.js";
import { readSampler } from "./read-sampler.js";
import { toReadableSpan } from "./readable-span.js";
import { createResources } from "./resources.js";
import { SpanQueue } from "./span-queue.js";
import type { Tracing } from "./tracing.js";
import { WallTime } from "./wall-time.js";

export interface OpenTelemetryOptions {
  readonly config: TracingConfig;
  readonly kinds: readonly ExporterKind[];
  readonly metrics: ExportMetrics;
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly defer: (release: Release) => void;
}

/**
 * Full batches that may wait. They go out one after another, and each takes some turns of the event loop, which are long
 * under load: with batches of 512, the standard's default, a mesh that does all it can and samples all of it makes more
 * spans than go out.
 */
const batchesQueued = 4;

/** Loads and wires the SDK: from kept traces through a queue for each exporter. */
export async function startOpenTelemetry(options: OpenTelemetryOptions): Promise<Tracing> {
  const { config, clock, log, metrics, kinds } = options;
  const redact = createRedactor(options.env);
  options.defer(logDiagnostics({ log, clock, redact }));
  const resourceOf = await createResources({ ...options, detectors: config.resourceDetectors });
  const sampler = readSampler(config, sdk);
  const queues = await Promise.all(kinds.map((kind) => openQueue(kind, { ...options, redact })));
  const propagator = createPropagator(config.propagators);
  const ids = new RandomIds();
  registerGlobally({ ...options, ids, propagator, sampler, queues, resource: resourceOf() });
  log.info({ exporters: kinds }, "tracing");

  const wallTime = new WallTime(clock);
  const unsampled = new Allowance(clock, { count: config.unsampledPerSecondMax, everyMs: 1_000 });
  return createTracing({
    ...{ clock, ids, propagator, sampler },
    slowMs: config.slowMs === 0 ? Number.POSITIVE_INFINITY : config.slowMs,
    mayKeepUnsampled() {
      const may = unsampled.take();
      if (!may) metrics.countPassedOver();
      return may;
    },
    export(spans) {
      wallTime.adjust(spans[0]?.endMs ?? clock.nowMs());
      const readable = spans.map((span) => toReadableSpan(span, wallTime, resourceOf(span.role)));
      for (const queue of queues) queue.add(readable);
    },
  });
}

async function openQueue(
  kind: ExporterKind,
  options: OpenTelemetryOptions & { readonly redact: (text: string) => string },
): Promise<SpanQueue> {
  const { config, clock, metrics } = options;
  return new SpanQueue({
    exporter: await createExporter(kind, options),
    clock,
    ...config,
    batchSpansMax: config.batchSpansMax ?? Math.ceil(config.queueSpansMax / batchesQueued),
    count: (outcome, spans) => metrics.countSpans(kind, outcome, spans),
    warn: createWarning(kind, options),
  });
}

/**
 * Whoever calls OpenTelemetry's API in this process gets the same propagation, sampling and exporters; its spans need
 * their parents named.
 */
function registerGlobally(options: {
  readonly ids: sdk.IdGenerator;
  readonly propagator: TextMapPropagator;
  readonly sampler: sdk.Sampler;
  readonly queues: readonly SpanQueue[];
  readonly resource: sdk.ReadableSpan["resource"];
  readonly defer: (release: Release) => void;
}): void {
  const { ids, propagator, sampler, queues, resource, defer } = options;
  const node = new NodeSDK({
    ...{ sampler, resource, autoDetectResources: false },
    idGenerator: ids,
    spanProcessors: [...queues],
    textMapPropagator: propagator,
    contextManager: noContextManager,
    ...{ instrumentations: [], metricReaders: [], logRecordProcessors: [] },
  });
  node.start();
  defer(async () => {
    await node.shutdown();
    trace.disable();
    propagation.disable();
  });
}

/**
 * The SDK's own remembers the current span by AsyncLocalStorage, with which each `await` of Node 20 takes two to three
 * times as long. Here a span travels in the context of its call.
 */
const noContextManager: ContextManager = {
  active: () => ROOT_CONTEXT,
  with: (_context, work, self, ...args) => work.call(self, ...args),
  bind: (_context, target) => target,
  enable: () => noContextManager,
  disable: () => noContextManager,
};
