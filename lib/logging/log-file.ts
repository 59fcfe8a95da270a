import { closeSync, fstatSync, mkdirSync, openSync, renameSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import type { LogTarget } from "./log-writer.js";

export interface LogFileOptions {
  readonly path: string;
  /** A file that has reached so many bytes is followed by a new one. */
  readonly bytesMax: number;
  /** Files that are kept, the one that is written included. */
  readonly filesMax: number;
}

/** Who runs the mesh reads its log, and those of its group; nobody else. */
const fileMode = 0o640;

/** A file that is appended to; those before it are `PATH.1`, the youngest, `PATH.2` and so on. */
export class LogFile implements LogTarget {
  readonly #options: LogFileOptions;
  #descriptor: number | undefined;
  #bytes = 0;
  #isMovedAway = false;

  constructor(options: LogFileOptions) {
    this.#options = options;
  }

  open(): number {
    if (this.#isMovedAway) this.#close();
    if (this.#bytes >= this.#options.bytesMax) this.#rotate();
    this.#descriptor ??= this.#openFile();
    return this.#descriptor;
  }

  wrote(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Somebody else has moved the file away: what is written next begins a new one. */
  reopen(): void {
    // Not closed here, where it may be in the middle of a write.
    this.#isMovedAway = true;
  }

  #close(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = undefined;
    this.#bytes = 0;
    this.#isMovedAway = false;
    if (descriptor !== undefined) closeSync(descriptor);
  }

  #openFile(): number {
    const { path } = this.#options;
    mkdirSync(dirname(path), { recursive: true });
    const descriptor = openSync(path, "a", fileMode);
    this.#bytes = fstatSync(descriptor).size;
    return descriptor;
  }

  #rotate(): void {
    const { path, filesMax } = this.#options;
    this.#close();
    const nameOf = (age: number): string => (age === 0 ? path : `${path}.${age}`);
    rmSync(nameOf(filesMax - 1), { force: true });
    for (let age = filesMax - 2; age >= 0; age -= 1) renameIfThere(nameOf(age), nameOf(age + 1));
  }
}

function renameIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    // `renameSync` throws nothing else. The first rotations find fewer files.
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
