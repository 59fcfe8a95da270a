import { type ConfigOf, integer, oneOf, text } from "./config.js";
import { logLevels } from "./log.js";

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
  shutdownMsMax: {
    env: "SHUTDOWN_TIMEOUT_MS",
    doc: "milliseconds that accepted requests get to finish after SIGTERM",
    parse: integer({ min: 0, max: 600_000 }),
    fallback: 15_000,
  },
} as const;

export type ProcessConfig = ConfigOf<typeof processSchema>;
