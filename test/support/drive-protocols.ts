import { randomBytes } from "node:crypto";
import { type TracedProtocol, tracedProtocols } from "./traced-protocols.js";

/** A request of the script, and the trace that it should have. */
export interface SentRequest {
  readonly protocol: string;
  readonly traceId: string;
  readonly callerSpanId: string;
  /** What came instead of an answer. */
  readonly error: string | undefined;
  readonly beganMs: number;
  readonly endedMs: number;
}

export interface DriveOptions {
  readonly url: string;
  /** Of each protocol. */
  readonly requests: number;
  readonly concurrency: number;
  /** Whether callers say that they keep their part of the trace. */
  readonly isSampled: boolean;
  /** Called once, when half of the requests have ended and others are in work. */
  readonly atHalf: () => Promise<void>;
}

/** Asks for vectors by every protocol in turn, each request with a text and a trace of its own. */
export async function driveProtocols(options: DriveOptions): Promise<SentRequest[]> {
  const { requests, concurrency, isSampled, atHalf } = options;
  const protocols = tracedProtocols(options.url);
  const waiting = Array.from({ length: requests }, () => protocols).flat();
  const half = Math.floor(waiting.length / 2);
  const sent: SentRequest[] = [];
  let halfTime: Promise<void> | undefined;
  const work = async (): Promise<void> => {
    for (let protocol = waiting.pop(); protocol !== undefined; protocol = waiting.pop()) {
      sent.push(await ask(protocol, isSampled));
      if (sent.length >= half) halfTime ??= atHalf();
    }
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  await halfTime;
  return sent;
}

/** Every third caller is a client of Jaeger. */
async function ask({ name, send }: TracedProtocol, isSampled: boolean): Promise<SentRequest> {
  const random = randomBytes(24);
  const traceId = random.toString("hex", 0, 16);
  const callerSpanId = random.toString("hex", 16);
  const headers: Record<string, string> =
    (random[0] ?? 0) % 3 === 0
      ? { "uber-trace-id": `${traceId}:${callerSpanId}:0:${isSampled ? 1 : 0}` }
      : { traceparent: `00-${traceId}-${callerSpanId}-0${isSampled ? 1 : 0}` };
  const request = { protocol: name, traceId, callerSpanId, beganMs: Date.now() };
  try {
    await send(`the trace ${traceId} of ${name}`, headers);
    return { ...request, error: undefined, endedMs: Date.now() };
  } catch (error) {
    return { ...request, error: String(error), endedMs: Date.now() };
  }
}
