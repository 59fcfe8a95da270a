import { type DestinationStream, type Logger, pino } from "pino";
import type { MeshError } from "./errors.js";
import { censorFields } from "./logging/censor-fields.js";

export type Log = Logger;

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Lines of JSON. Fields that their names call secret are censored; `lib/logging/open-log.ts` says where lines go. */
export function createLog(
  level: LogLevel,
  destination: DestinationStream = pino.destination(1),
): Log {
  return pino(
    {
      level,
      base: null,
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      // Not pino's own redaction: its wildcards, for what is nested, triple the cost of every line.
      formatters: { level: (label) => ({ level: label }), log: censorFields },
    },
    destination,
  );
}

/** Why a fault happened, for the log only: a bug's stack never reaches a caller. */
export function causeOf(error: MeshError): string {
  // Without a cause, the place where it was found says most.
  return stackOf(error.cause ?? error);
}

/** Errors within errors that are told. */
const depthMax = 4;
const innerMax = 8;

/** Whatever was thrown, with all that led to it. */
export function stackOf(thrown: unknown, depth = 1): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const stack = String(thrown.stack);
  if (depth === depthMax) return stack;
  const inner = thrown instanceof AggregateError ? thrown.errors : [thrown.cause];
  const told = inner.filter((each) => each !== undefined).slice(0, innerMax);
  return [stack, ...told.map((each) => `caused by ${stackOf(each, depth + 1)}`)].join("\n");
}
