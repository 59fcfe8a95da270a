import { writeSync } from "node:fs";
import { isatty } from "node:tty";
import type { Clock } from "../clock.js";
import { createLog, type Log, type LogLevel } from "../log.js";
import { LogFile } from "./log-file.js";
import { type LogTarget, LogWriter } from "./log-writer.js";
import { createPrettify } from "./pretty.js";
import type { Redact } from "./redactor.js";

export const logFormats = ["auto", "json", "pretty"] as const;

export interface LogOptions {
  readonly logLevel: LogLevel;
  readonly logFormat: (typeof logFormats)[number];
  /** Undefined: standard output. */
  readonly logFile: string | undefined;
  readonly logFileBytesMax: number;
  readonly logFilesMax: number;
}

export interface LogDeps {
  readonly clock: Clock;
  readonly redact: Redact;
  /** For NO_COLOR, which terminals set. */
  readonly env: NodeJS.ProcessEnv;
}

/** The log of a process, which outlives all that is closed in order. */
export interface OpenedLog {
  readonly log: Log;
  readonly isFile: boolean;
  /** For the very end: lines so far are out when it returns, and later ones go out at once. */
  end(): void;
  /** Begins a new file under the same name: somebody moved the old one away. */
  reopen(): void;
}

/** The log as settings want it: where lines go, for whom they are written, and without the secrets of the process. */
export async function openLog(
  options: LogOptions,
  { clock, redact, env }: LogDeps,
): Promise<OpenedLog> {
  const { logFile: path, logFileBytesMax: bytesMax, logFilesMax: filesMax } = options;
  const file = path === undefined ? undefined : new LogFile({ path, bytesMax, filesMax });
  const writer = new LogWriter(file ?? standardOutput, clock, {
    failed(error) {
      say(redact(`no log lines can be written for now: ${error.message}`));
    },
    dropped(lines) {
      log.warn({ lines }, "log lines were dropped");
    },
  });
  const toText = await textOf(options, { redact, env });
  const log = createLog(options.logLevel, { write: (line) => writer.write(toText(line)) });
  return {
    log,
    isFile: file !== undefined,
    end: () => writer.end(),
    reopen: () => file?.reopen(),
  };
}

const standardOutput: LogTarget = { open: () => 1, wrote() {} };

async function textOf(
  { logFormat, logFile }: LogOptions,
  { redact, env }: Pick<LogDeps, "redact" | "env">,
): Promise<(line: string) => string> {
  const isTerminal = logFile === undefined && isatty(1);
  const isPretty = logFormat === "pretty" || (logFormat === "auto" && isTerminal);
  if (!isPretty) return redact;
  const prettify = await createPrettify(isTerminal && env.NO_COLOR === undefined);
  return (line) => prettify(redact(line));
}

/** Where a person may look when the log itself is what fails. */
function say(text: string): void {
  try {
    writeSync(2, `${text}\n`);
  } catch {
    // Standard error is gone as well.
  }
}
