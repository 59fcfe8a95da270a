import { ExportResultCode } from "@opentelemetry/core";
import { type ExporterConfig, JaegerExporter } from "@opentelemetry/exporter-jaeger";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import type { Clock } from "../clock.js";

/** It has been flushed when it is shut down; its own wait of 2 s would only hold up the end of the process. */
const flushTimeout = 1;

/**
 * Sends to Jaeger by OpenTelemetry's exporter, which names the service of its first span for all it ever sends: here
 * each service has an exporter of its own. One that does not come back in time is replaced, and its sockets are closed.
 */
export function createJaegerExporter(options: {
  readonly clock: Clock;
  readonly exportMsMax: number;
  readonly config?: ExporterConfig;
}): SpanExporter {
  const { clock, exportMsMax } = options;
  const exporters = new Map<unknown, SpanExporter>();

  const exportService = (service: unknown, spans: ReadableSpan[]): Promise<void> => {
    const known = exporters.get(service);
    const exporter = known ?? new JaegerExporter({ flushTimeout, ...options.config });
    if (known === undefined) exporters.set(service, exporter);
    return new Promise((resolve, reject) => {
      const cancel = clock.at(clock.nowMs() + exportMsMax, () => {
        exporters.delete(service);
        exporter.shutdown().catch(() => undefined);
        reject(new Error(`no answer within ${exportMsMax} ms`));
      });
      exporter.export(spans, ({ code, error }) => {
        cancel();
        if (code === ExportResultCode.SUCCESS) resolve();
        else reject(error);
      });
    });
  };

  return {
    export(spans, done) {
      const services = groupBy(spans, (span) => span.resource.attributes["service.name"]);
      const exports = [...services].map(([service, group]) => exportService(service, group));
      Promise.all(exports).then(
        () => done({ code: ExportResultCode.SUCCESS }),
        (error: Error) => done({ code: ExportResultCode.FAILED, error }),
      );
    },
    async shutdown() {
      const all = [...exporters.values()];
      exporters.clear();
      await Promise.all(all.map((exporter) => exporter.shutdown()));
    },
  };
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => unknown): Map<unknown, T[]> {
  const groups = new Map<unknown, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
