import { type ConfigOf, flag, integer, oneOf, text } from "./config.js";
import { logLevels } from "./log.js";
import { logFormats } from "./logging/open-log.js";

/** What every process of the mesh has, whatever its role. */
export const processSchema = {
  host: {
    env: "HOST",
    doc: "address to listen on",
    parse: text(),
    fallback: "127.0.0.1",
  },
  logLevel: {
    env: "LOG_LEVEL",
    doc: "least severe log line that is printed",
    parse: oneOf(logLevels),
    fallback: "info",
  },
  logFormat: {
    env: "LOG_FORMAT",
    doc: "json, pretty for people, or auto: pretty where standard output is a terminal",
    parse: oneOf(logFormats),
    fallback: "auto",
  },
  logFile: {
    env: "LOG_FILE",
    doc: "file that log lines are appended to, instead of standard output; one for each process",
    parse: text(),
    fallback: undefined,
  },
  logFileBytesMax: {
    env: "LOG_FILE_BYTES_MAX",
    doc: "a log file that has reached so many bytes becomes LOG_FILE.1, and a new one begins",
    parse: integer({ min: 1_024, max: 2 ** 40 }),
    fallback: 100 << 20,
  },
  logFilesMax: {
    env: "LOG_FILES_MAX",
    doc: "log files that are kept, the one that is written included",
    parse: integer({ min: 1, max: 1_000 }),
    fallback: 5,
  },
  isPersonalDataLogged: {
    env: "LOG_PERSONAL_DATA",
    doc: "whether access lines name the caller's address and user",
    parse: flag(),
    fallback: false,
  },
  requestMsMax: {
    env: "REQUEST_TIMEOUT_MS",
    doc: "milliseconds until a request is answered or fails, whatever its caller allows",
    parse: integer({ min: 1, max: 3_600_000 }),
    fallback: 30_000,
  },
  streamMsMax: {
    env: "STREAM_TIMEOUT_MS",
    doc: "milliseconds a stream may last",
    parse: integer({ min: 1, max: 86_400_000 }),
    fallback: 3_600_000,
  },
  messageBytesMax: {
    env: "MESSAGE_BYTES_MAX",
    doc: "bytes of one gRPC message between services",
    parse: integer({ min: 1_024, max: 1 << 30 }),
    fallback: 16 << 20,
  },
  areCompatibleMetricsServed: {
    env: "COMPATIBLE_METRICS",
    doc: "whether metrics also stand under the names of text-embeddings-inference and of arrowengine",
    parse: flag(),
    fallback: true,
  },
  shutdownMsMax: {
    env: "SHUTDOWN_TIMEOUT_MS",
    doc: "milliseconds that accepted requests get to finish after SIGTERM",
    parse: integer({ min: 0, max: 600_000 }),
    fallback: 15_000,
  },
} as const;

export type ProcessConfig = ConfigOf<typeof processSchema>;
