import { once } from "node:events";
import { createServer } from "node:http";
import { json } from "node:stream/consumers";

/** A span as OTLP's JSON encoding has it, without what the tests do not read. */
export interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  /** `service.name` of its resource. */
  readonly service: string;
  /** `arrowmesh.role` of its resource. */
  readonly role: string;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  /** Of OpenTelemetry: 1 internal, 2 server, 3 client. */
  readonly kind: number;
  /** Nanoseconds since 1970. */
  readonly startNs: bigint;
  readonly endNs: bigint;
  /** Why it failed; undefined where it did not. */
  readonly failure: string | undefined;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
}

type AttributeValue = string | number | boolean | readonly AttributeValue[];

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
    for (const { resource, scopeSpans } of body.resourceSpans) {
      const of = valuesOf(resource.attributes);
      const service = String(of["service.name"] ?? "");
      const role = String(of["arrowmesh.role"] ?? "");
      for (const span of scopeSpans.flatMap((scope) => scope.spans)) {
        spans.push({ ...toSpan(span), service, role });
      }
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
    readonly resource: { readonly attributes: Attributes };
    readonly scopeSpans: readonly { readonly spans: RawSpan[] }[];
  }[];
}

type Attributes = readonly { readonly key: string; readonly value: RawValue }[];

interface RawValue {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: number | string;
  readonly doubleValue?: number;
  readonly arrayValue?: { readonly values: readonly RawValue[] };
}

interface RawSpan extends Pick<Span, "traceId" | "spanId" | "name" | "kind"> {
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: Attributes;
  readonly status?: { readonly code?: number; readonly message?: string };
  readonly links?: Span["links"];
}

/** `STATUS_CODE_ERROR`. */
const failed = 2;

function toSpan(raw: RawSpan): Omit<Span, "service" | "role"> {
  const { traceId, spanId, name, kind, parentSpanId = "", status, links = [] } = raw;
  return {
    ...{ traceId, spanId, parentSpanId, name, kind, links },
    startNs: BigInt(raw.startTimeUnixNano),
    endNs: BigInt(raw.endTimeUnixNano),
    failure: status?.code === failed ? (status.message ?? "") : undefined,
    attributes: valuesOf(raw.attributes),
  };
}

function valuesOf(attributes: Attributes): Record<string, AttributeValue> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, toValue(value)]));
}

function toValue(value: RawValue): AttributeValue {
  const { stringValue, boolValue, intValue, doubleValue, arrayValue } = value;
  if (arrayValue !== undefined) return arrayValue.values.map(toValue);
  return stringValue ?? boolValue ?? doubleValue ?? Number(intValue);
}
