import { type Logger, pino } from "pino";
import type { MeshError } from "./errors.js";

export type Log = Logger;

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/** Headers and settings that must never be printed, should one reach a log line. */
const secretPaths = ["authorization", "cookie", "password", "secret", "token"].flatMap((name) => [
  name,
  `*.${name}`,
]);

/** Lines go out together: a system call for each cost 8 % of the main thread under load. */
const bytesTogether = 4_096;
/** But no line waits for longer than that. */
const waitMsMax = 100;

/** JSON lines on stdout, written without blocking the event loop; what is left is written when the process ends. */
export function createLog(level: LogLevel): Log {
  const destination = pino.destination({
    fd: 1,
    sync: false,
    minLength: bytesTogether,
    periodicFlush: waitMsMax,
  });
  return pino(
    {
      level,
      base: null,
      messageKey: "message",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: secretPaths, censor: "[secret]" },
    },
    destination,
  );
}

/** Why a fault happened, for the log only: a bug's stack never reaches a caller. */
export function causeOf(error: MeshError): unknown {
  return error.cause instanceof Error ? error.cause.stack : error.cause;
}
