import { constants } from "node:fs";
import { copyFile, link, lstat, mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { MeshError } from "../errors.js";
import { ignoreAbsence } from "./absence.js";
import type { Digest } from "./digest.js";

/**
 * `<repository>/<name>/<version>` and what a pull keeps beside it: `.N.pull/objects` has files by checksum, finished
 * and partial ones, and outlives a pull that fails; `.N.pull/tree` becomes the version.
 */
export class VersionFolder {
  readonly path: string;
  readonly lock: string;
  readonly tree: string;
  readonly #repository: string;
  readonly #name: string;
  readonly #work: string;
  readonly #objects: string;
  readonly #old: string;

  constructor(repository: string, name: string, version: number) {
    const parent = join(repository, name);
    this.#repository = repository;
    this.#name = name;
    this.path = join(parent, String(version));
    this.lock = join(parent, `.${version}.lock`);
    this.#work = join(parent, `.${version}.pull`);
    this.#old = join(parent, `.${version}.old`);
    this.#objects = join(this.#work, "objects");
    this.tree = join(this.#work, "tree");
  }

  /** The model's folder, so that the lock has a place. */
  async create(): Promise<void> {
    await mkdir(this.#repository, { recursive: true });
    await makeFolders(this.#repository, this.#name);
  }

  /** Whether there is a version, from a pull or not. */
  async isThere(): Promise<boolean> {
    return await isFolder(this.path);
  }

  /** Undoes half a swap: of a process that died between the two renames, the old version comes back. */
  async recover(): Promise<void> {
    if (!(await this.isThere()) && (await isFolder(this.#old))) await rename(this.#old, this.path);
    await rm(this.#old, { recursive: true, force: true });
  }

  /** An empty tree, and of the objects of earlier attempts those that this one can use. */
  async begin(wanted: readonly Digest[]): Promise<void> {
    await makeFolders(dirname(this.#work), join(basename(this.#work), "objects"));
    const useful = new Set(wanted.map(({ hex }) => hex));
    for (const name of await readdir(this.#objects)) {
      if (!useful.has(name.split(".")[0] ?? "")) await rm(join(this.#objects, name));
    }
    await rm(this.tree, { recursive: true, force: true });
    await mkdir(this.tree);
  }

  object({ hex }: Digest): string {
    return join(this.#objects, hex);
  }

  /** Puts a file that has been checked into the tree. */
  async place(from: string, path: string): Promise<void> {
    await makeFolders(this.tree, dirname(path));
    const to = join(this.tree, path);
    // Not every file system has links.
    await link(from, to).catch(() => copyFile(from, to, constants.COPYFILE_EXCL));
  }

  /** The tree becomes the version. Whoever opens files meanwhile finds the old ones, none, or the new ones. */
  async swap(): Promise<void> {
    const hasOld = await isFolder(this.path);
    if (hasOld) await rename(this.path, this.#old);
    try {
      await rename(this.tree, this.path);
    } catch (error) {
      if (hasOld) await rename(this.#old, this.path);
      throw error;
    }
    await rm(this.#old, { recursive: true, force: true });
    await this.end();
  }

  /** Nothing is left of the work. */
  async end(): Promise<void> {
    await rm(this.#work, { recursive: true, force: true });
  }
}

/** Makes each folder of a relative path. A symbolic link in its place is refused, wherever it points. */
async function makeFolders(root: string, path: string): Promise<void> {
  let folder = root;
  for (const segment of path.split("/")) {
    folder = join(folder, segment);
    // Another process may make it in between.
    if (!(await isFolder(folder))) await mkdir(folder, { recursive: true });
  }
}

/** Whether the folder exists; anything else in its place is refused. */
async function isFolder(path: string): Promise<boolean> {
  const found = await lstat(path).catch(ignoreAbsence);
  if (found === undefined) return false;
  if (found.isDirectory()) return true;
  const kind = found.isSymbolicLink() ? "a symbolic link" : "no folder";
  throw new MeshError("invalid", `${path} is ${kind}; a pull writes to plain folders only`);
}
