import type { z } from "zod";
import { MeshError } from "./errors.js";

const messageLengthMax = 1_000;
const shownLengthMax = 200;
const problemsMax = 5;

/** The fault of a file that is wrong. Its path is relative to the model's folder, for this is read by callers. */
export function invalid(path: string, what: string, cause?: unknown): MeshError {
  const message = `${shown(path)}: ${what}`;
  const short =
    message.length > messageLengthMax ? `${message.slice(0, messageLengthMax)}…` : message;
  return new MeshError("invalid", short, cause === undefined ? {} : { cause });
}

/** What `read` returns; what the file system refuses is `invalid` too. */
export function reading<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (error instanceof MeshError || code === undefined) throw error;
    throw invalid(path, `cannot be read (${code})`, error);
  }
}

/** What is wrong with the content of a file, on one line. */
export function problemsOf({ issues }: z.ZodError): string {
  const problems = issues.slice(0, problemsMax).map(({ path, message }) => {
    return path.length === 0 ? message : `${shown(path.join("."))}: ${message}`;
  });
  const more = issues.length > problemsMax ? [`and ${issues.length - problemsMax} more`] : [];
  return [...problems, ...more].join("; ");
}

/** Text out of a file as it may stand in a message: short, on one line. */
export function shown(text: string): string {
  const quoted = JSON.stringify(text);
  const plain = quoted.slice(1, -1) === text ? text : quoted;
  return plain.length > shownLengthMax ? `${plain.slice(0, shownLengthMax)}…` : plain;
}
