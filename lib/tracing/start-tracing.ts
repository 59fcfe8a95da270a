import type { Registry } from "prom-client";
import type { Clock } from "../clock.js";
import { readConfig } from "../config.js";
import type { Release } from "../defer.js";
import type { Log } from "../log.js";
import { tracingSchema } from "./config.js";
import { createExportMetrics } from "./export-metrics.js";
import { exporterKinds } from "./exporters.js";
import { noTracing, type Tracing } from "./tracing.js";

/**
 * Starts OpenTelemetry when its standard variables ask for it: OTEL_TRACES_EXPORTER, or an endpoint of an exporter.
 * Otherwise nothing of it is loaded and nothing recorded.
 */
export async function startTracing(options: {
  readonly env: NodeJS.ProcessEnv;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly registry: Registry;
  readonly defer: (release: Release) => void;
}): Promise<Tracing> {
  const config = readConfig(tracingSchema, options.env);
  const metrics = createExportMetrics(options.registry);
  const kinds = exporterKinds(config);
  if (kinds.length === 0) return noTracing;
  const { startOpenTelemetry } = await import("./start-opentelemetry.js");
  return await startOpenTelemetry({ ...options, config, metrics, kinds });
}
