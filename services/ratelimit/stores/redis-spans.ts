import type { Span } from "../../../lib/tracing/span.js";

/** One call of Redis, as those who wait for it see it. */
export interface ShownCall {
  /** Of the calls that wait. */
  readonly traces: Iterable<Span>;
  /** The command, where it is no script. */
  readonly command?: string;
  readonly script?: string;
  /** Charges that share it. */
  readonly charges?: number;
}

/** Of a call that no request waits for. */
export const hidden: ShownCall = { traces: [] };

export interface RedisAddress {
  readonly host?: string | undefined;
  readonly port?: number | undefined;
}

/** A span for each that waits, by OpenTelemetry's conventions for databases. */
export function beginRedisSpans(shown: ShownCall, address: RedisAddress): readonly Span[] {
  const spans: Span[] = [];
  for (const trace of shown.traces) {
    if (trace.isRecording) spans.push(beginOne(trace, shown, address));
  }
  return spans;
}

function beginOne(
  trace: Span,
  { command = "EVALSHA", script, charges = 1 }: ShownCall,
  { host, port }: RedisAddress,
): Span {
  const span = trace.begin(script === undefined ? command : `${command} ${script}`, {
    kind: "client",
  });
  span.set("db.system.name", "redis");
  span.set("db.operation.name", command);
  if (script !== undefined) span.set("db.stored_procedure.name", script);
  if (charges > 1) span.set("db.operation.batch.size", charges);
  if (host !== undefined) span.set("server.address", host);
  if (port !== undefined) span.set("server.port", port);
  return span;
}
