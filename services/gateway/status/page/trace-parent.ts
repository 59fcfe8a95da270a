/** The beginning of a trace, as W3C Trace Context writes it. */
export interface TraceParent {
  readonly traceId: string;
  /** The `traceparent` header. */
  readonly header: string;
}

/** Begins a trace in this page: the first span of the mesh becomes a child of it. Sampled ones are always kept. */
export function beginTrace(isSampled: boolean, random = randomBytes): TraceParent {
  const traceId = hexOf(random(16));
  return { traceId, header: `00-${traceId}-${hexOf(random(8))}-${isSampled ? "01" : "00"}` };
}

/** All zero means none, which so many random bytes never are. */
function randomBytes(count: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(count));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
