import { ExportResultCode } from "@opentelemetry/core";
import { type ExporterConfig, JaegerExporter } from "@opentelemetry/exporter-jaeger";
import type { ReadableSpan, SpanExporter } from "@opentelemetry/sdk-trace";
import type { Clock } from "../clock.js";
import { getOrAdd } from "../get-or-add.js";

/** It has been flushed when it is shut down; its own wait of 2 s would only hold up the end of the process. */
const flushTimeout = 1;

/**
 * Sends to Jaeger by OpenTelemetry's exporter, which sends all spans as of the resource of its first: here
 * each resource has an exporter of its own. One that does not come back in time is replaced, and its sockets are closed.
 */
export function createJaegerExporter(options: {
  readonly clock: Clock;
  readonly exportMsMax: number;
  readonly config?: ExporterConfig;
}): SpanExporter {
  const { clock, exportMsMax } = options;
  const exporters = new Map<unknown, SpanExporter>();

  const exportOf = (resource: unknown, spans: ReadableSpan[]): Promise<void> => {
    const known = exporters.get(resource);
    const exporter = known ?? new JaegerExporter({ flushTimeout, ...options.config });
    if (known === undefined) exporters.set(resource, exporter);
    return new Promise((resolve, reject) => {
      const cancel = clock.at(clock.nowMs() + exportMsMax, () => {
        exporters.delete(resource);
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
      const groups = groupBy(spans, ({ resource }) => resource);
      const exports = [...groups].map(([resource, group]) => exportOf(resource, group));
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
  for (const item of items) getOrAdd(groups, keyOf(item), () => []).push(item);
  return groups;
}
