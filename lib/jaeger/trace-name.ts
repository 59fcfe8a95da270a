import { MeshError } from "../errors.js";

/** What a person named: a trace, and perhaps one span of it. */
export interface TraceName {
  readonly traceId: string;
  readonly spanId: string | undefined;
}

/** An id, `TRACE/SPAN`, or the value of a `traceparent` or `uber-trace-id` header. */
const shapes = [
  /^(?<trace>[0-9a-f]{1,32})(?:\/(?<span>[0-9a-f]{1,16}))?$/i,
  /^[0-9a-f]{2}-(?<trace>[0-9a-f]{32})-(?<span>[0-9a-f]{16})-[0-9a-f]{2}$/i,
  /^(?<trace>[0-9a-f]{1,32}):(?<span>[0-9a-f]{1,16}):[0-9a-f]{1,16}:[0-9a-f]{1,2}$/i,
];

/** Reads a trace's name as people have it at hand: from a log, a header, or a link of another trace. */
export function readTraceName(text: string): TraceName {
  for (const shape of shapes) {
    const { trace, span } = shape.exec(text.trim())?.groups ?? {};
    if (trace === undefined || /^0+$/.test(trace)) continue;
    return { traceId: pad(trace), spanId: span?.toLowerCase().padStart(16, "0") };
  }
  throw new MeshError(
    "invalid",
    `${JSON.stringify(text.slice(0, 64))} is no trace id: expected up to 32 hexadecimal digits, not all 0`,
  );
}

/** Jaeger says ids of 64 bits with 16 digits, all others with 32. */
function pad(id: string): string {
  const digits = id.toLowerCase().replace(/^0+/, "");
  return digits.padStart(digits.length > 16 ? 32 : 16, "0");
}
