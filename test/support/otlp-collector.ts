import { once } from "node:events";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

/** A span as OTLP's JSON encoding has it, without what the tests do not read. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

export interface Collector {
  /** Environment that makes a process export here, every request, at once. */
  readonly env: NodeJS.ProcessEnv;
  readonly spans: readonly Span[];
  close(): void;
}

/** An OTLP/HTTP receiver on a free port of this machine. */
export async function startCollector(): Promise<Collector> {
  const spans: Span[] = [];
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as Export;
    for (const { scopeSpans } of body.resourceSpans) {
      for (const span of scopeSpans.flatMap((scope) => scope.spans)) spans.push(toSpan(span));
    }
    response.setHeader("content-type", "application/json").end("{}");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  return {
    spans,
    env: {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_TRACES_SAMPLER: "always_on",
      OTEL_BSP_SCHEDULE_DELAY: "50",
    },
    close: () => {
      server.close();
      server.closeAllConnections();
    },
  };
}

interface Export {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly { readonly spans: RawSpan[] }[];
  }[];
}

interface RawSpan extends Omit<Span, "attributes" | "parentSpanId"> {
  readonly parentSpanId?: string;
  readonly attributes: readonly {
    readonly key: string;
    readonly value: { stringValue?: string };
  }[];
}

function toSpan({ attributes, parentSpanId = "", traceId, spanId, name }: RawSpan): Span {
  const entries = attributes.map(({ key, value }) => [key, value.stringValue ?? ""]);
  return { traceId, spanId, parentSpanId, name, attributes: Object.fromEntries(entries) };
}
