import {
  closeSync,
  constants,
  fstatSync,
  opendirSync,
  openSync,
  readFileSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import type { z } from "zod";
import { MeshError } from "../errors.js";
import { invalid, problemsOf, reading, shown } from "../invalid-file.js";

const jsonBytesMax = 64 << 20;
const entriesMax = 10_000;

/**
 * A folder of which nothing outside is read, whatever its files or links say. Paths are relative to it, and errors are
 * `invalid` and name them so, because where the folder stands is nobody's business.
 */
export class ConfinedFolder {
  readonly path: string;
  readonly #real: string;

  constructor(path: string) {
    this.path = resolve(path);
    const real = realPath(this.path, "the model's folder");
    if (!isFolder(real)) {
      throw new MeshError("invalid", "the model's folder does not exist");
    }
    this.#real = real;
  }

  /** Absolute path of a regular file, or undefined when there is nothing of that name. */
  find(path: string): string | undefined {
    const status = statusOf(this.#resolve(path));
    if (status === undefined) return undefined;
    if (!status.isFile()) throw invalid(path, "is not a regular file");
    return join(this.path, path);
  }

  /** Absolute path of a regular file that has to be there and be at most so large. */
  require(path: string, bytesMax: number = Number.POSITIVE_INFINITY): string {
    const file = this.find(path);
    const status = statusOf(file);
    if (file === undefined || status === undefined) throw invalid(path, "does not exist");
    if (status.size > bytesMax) throw invalid(path, `is over ${bytesMax} bytes`);
    return file;
  }

  /** Names of the folders in a folder, sorted; none when it does not exist. Links out of the folder are refused. */
  folders(path: string, isWanted: (name: string) => boolean): string[] {
    const real = this.#resolve(path);
    if (!isFolder(real)) return [];
    return namesIn(real, path)
      .filter((name) => isWanted(name) && isFolder(this.#resolve(join(path, name))))
      .sort();
  }

  /** What a JSON file says, or undefined when it does not exist. */
  findJson<T>(path: string, schema: z.ZodType<T>): T | undefined {
    return this.find(path) === undefined ? undefined : this.json(path, schema);
  }

  json<T>(path: string, schema: z.ZodType<T>): T {
    const file = this.require(path);
    const text = reading(path, () => readText(file, path));
    const parsed = schema.safeParse(parseJson(text, path));
    if (parsed.success) return parsed.data;
    throw invalid(path, problemsOf(parsed.error));
  }

  #resolve(path: string): string | undefined {
    const isPlain =
      !isAbsolute(path) && !path.split(/[\\/]/).includes("..") && !path.includes("\0");
    const real = isPlain ? realPath(join(this.#real, path), path) : undefined;
    const isInside = real === undefined || real === this.#real || isWithin(this.#real, real);
    if (!isPlain || !isInside) throw invalid(path, "leaves the model's folder");
    return real;
  }
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** Undefined when nothing is there. */
function realPath(path: string, name: string): string | undefined {
  return reading(name, () => {
    try {
      return realpathSync(path);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "ENOENT" || code === "ENOTDIR") return undefined;
      throw error;
    }
  });
}

/** Undefined when nothing is there (any more). */
function statusOf(path: string | undefined): Stats | undefined {
  return path === undefined ? undefined : statSync(path, { throwIfNoEntry: false });
}

function isFolder(path: string | undefined): path is string {
  return statusOf(path)?.isDirectory() === true;
}

/** Each once, though what moves away and back while the folder is read may be told twice. */
function namesIn(folder: string, name: string): string[] {
  const names = new Set<string>();
  const entries = opendirSync(folder);
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      names.add(entry.name);
      if (names.size > entriesMax) throw invalid(name, `has more than ${entriesMax} entries`);
    }
  } finally {
    entries.closeSync();
  }
  return [...names];
}

function readText(file: string, name: string): string {
  // Without O_NONBLOCK, opening a pipe that took the file's place would wait for ever.
  const fd = openSync(file, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  try {
    const status = fstatSync(fd);
    if (!status.isFile()) throw invalid(name, "is not a regular file");
    if (status.size > jsonBytesMax) throw invalid(name, `is over ${jsonBytesMax} bytes`);
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}

function parseJson(text: string, name: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid(name, `is not JSON: ${shown((error as Error).message)}`, error);
  }
}
