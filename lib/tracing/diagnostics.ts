import { type DiagLogger, DiagLogLevel, diag } from "@opentelemetry/api";
import { Allowance } from "../allowance.js";
import type { Clock } from "../clock.js";
import type { Log } from "../log.js";

/** A backend that is down is down for a while: its name and reason are told once in this time. */
const everyMs = 60_000;
/** What OpenTelemetry itself has to say, of bad settings for example. */
const diagLinesMax = 10;
/** Some reasons hold whole answers of a server. */
const reasonCharactersMax = 500;

interface DiagnosticsOptions {
  readonly log: Log;
  readonly clock: Clock;
  readonly redact: (text: string) => string;
}

/** Says of one exporter that its spans are lost, once a minute at most, and without its secrets. */
export function createWarning(
  exporter: string,
  { log, clock, redact }: DiagnosticsOptions,
): (reason: string) => void {
  const allowance = new Allowance(clock, { count: 1, everyMs });
  return (text) => {
    if (!allowance.take()) return;
    log.warn({ exporter, reason: toReason(text, redact) }, "traces are lost");
  };
}

/** Brings OpenTelemetry's own warnings and errors into the log; returns what takes them out again. */
export function logDiagnostics({ log, clock, redact }: DiagnosticsOptions): () => void {
  const allowance = new Allowance(clock, { count: diagLinesMax, everyMs });
  const warn = (...words: unknown[]): void => {
    if (!allowance.take()) return;
    log.warn({ reason: toReason(words.map(String).join(" "), redact) }, "OpenTelemetry warns");
  };
  const logger: DiagLogger = { error: warn, warn, info() {}, debug() {}, verbose() {} };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
  return () => diag.disable();
}

function toReason(text: string, redact: (text: string) => string): string {
  return redact(text).slice(0, reasonCharactersMax);
}
