import { createHash } from "node:crypto";
import { type FSWatcher, watch } from "node:fs";
import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import type { Clock } from "../../../lib/clock.js";
import type { Release } from "../../../lib/defer.js";
import type { Log } from "../../../lib/log.js";
import { InvalidFiles } from "./invalid-files.js";
import { readFiles, type TextFile } from "./read-files.js";

/** How often files are read again where the system tells of no change: network folders, folders that were replaced. */
export const pollMs = 5_000;
/** What was written is taken once it has stayed the same for so long: writers take several steps. */
export const settleMs = 100;

/** Rules out of files, always the newest that are valid. */
export interface WatchedFiles<T> {
  readonly current: T;
  /** Since when, in milliseconds since 1970. */
  readonly loadedAtMs: number;
  /** New versions since the start: those that took over, and those that were refused. */
  readonly reloads: { readonly accepted: number; readonly refused: number };
}

export interface WatchOptions<T> {
  /** A file, or a folder of them. */
  readonly path: string;
  /** Throws `InvalidFiles`; then what was there before stays. */
  readonly parse: (files: readonly TextFile[]) => T;
}

interface Platform {
  readonly clock: Clock;
  readonly defer: (release: Release) => void;
  readonly log: Pick<Log, "info" | "warn">;
}

/** Reads files now, and again whenever they change. Throws `InvalidFiles` when they are wrong at the start. */
export async function watchFiles<T>(
  options: WatchOptions<T>,
  platform: Platform,
): Promise<WatchedFiles<T>> {
  const files = await readFiles(options.path);
  const watcher = new Watcher(options, { files, value: options.parse(files) }, platform);
  platform.defer(() => watcher.close());
  await watcher.open();
  return watcher;
}

class Watcher<T> implements WatchedFiles<T> {
  readonly reloads = { accepted: 0, refused: 0 };
  readonly #options: WatchOptions<T>;
  readonly #platform: Platform;
  #value: T;
  #loadedAtMs: number;
  /** The version that was last judged, so that a bad one is told once. */
  #judged: string;
  /** A version that was seen, and is to be seen once more before it counts. */
  #seen: string | undefined;
  #system: FSWatcher | undefined;
  #isReading = false;
  #changedMeanwhile = false;
  #isClosed = false;
  #nextAtMs = Number.POSITIVE_INFINITY;
  #cancelTimer = (): void => {};

  constructor(
    options: WatchOptions<T>,
    first: { readonly files: readonly TextFile[]; readonly value: T },
    platform: Platform,
  ) {
    this.#options = options;
    this.#platform = platform;
    this.#value = first.value;
    this.#loadedAtMs = platform.clock.dateMs();
    this.#judged = versionOf(first.files);
  }

  get current(): T {
    return this.#value;
  }

  get loadedAtMs(): number {
    return this.#loadedAtMs;
  }

  /** Watches the folder: a file that is replaced, by a rename or a ConfigMap's symlink, is another file. */
  async open(): Promise<void> {
    const { path } = this.#options;
    const isFolder = (await stat(path).catch(() => undefined))?.isDirectory() === true;
    try {
      this.#system = watch(isFolder ? path : dirname(path), (_event, name) => {
        // Others' files can change all the time; a ConfigMap's folders begin with two dots.
        if (!isFolder && name !== basename(path) && name?.startsWith("..") !== true) return;
        this.#changedMeanwhile = true;
        this.#look(settleMs);
      });
      this.#system.on("error", () => this.#system?.close());
    } catch {
      // Polling alone finds every change, only later.
    }
    this.#look(pollMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#cancelTimer();
    this.#system?.close();
  }

  /** Reads again after `waitMs`, or sooner if that was to happen anyway: a stream of events cannot put it off. */
  #look(waitMs: number): void {
    const { clock } = this.#platform;
    const atMs = clock.nowMs() + waitMs;
    if (this.#isClosed || this.#isReading || atMs >= this.#nextAtMs) return;
    this.#cancelTimer();
    this.#nextAtMs = atMs;
    this.#cancelTimer = clock.at(atMs, () => {
      this.#nextAtMs = Number.POSITIVE_INFINITY;
      this.#isReading = true;
      this.#changedMeanwhile = false;
      void this.#read().then((isSettled) => {
        this.#isReading = false;
        this.#look(isSettled && !this.#changedMeanwhile ? pollMs : settleMs);
      });
    });
  }

  /** Whether nothing is to be looked at once more. */
  async #read(): Promise<boolean> {
    const found = await this.#find();
    if (found.version === this.#judged) {
      this.#seen = undefined;
      return true;
    }
    if (found.version !== this.#seen) {
      this.#seen = found.version;
      return false;
    }
    this.#seen = undefined;
    this.#judged = found.version;
    this.#judge(found.files);
    return true;
  }

  #judge(files: readonly TextFile[] | InvalidFiles): void {
    const { log } = this.#platform;
    const { path, parse } = this.#options;
    try {
      if (files instanceof InvalidFiles) throw files;
      this.#value = parse(files);
      this.#loadedAtMs = this.#platform.clock.dateMs();
      this.reloads.accepted += 1;
      log.info({ path }, "limits reloaded");
    } catch (error) {
      this.reloads.refused += 1;
      // A reader that fails in another way has a bug, and must not end the process that serves the old rules.
      const problems = error instanceof InvalidFiles ? error.problems : [String(error)];
      log.warn({ path, problems }, "limits not reloaded, those before stay");
    }
  }

  async #find(): Promise<Found> {
    try {
      const files = await readFiles(this.#options.path);
      return { files, version: versionOf(files) };
    } catch (error) {
      const files = error instanceof InvalidFiles ? error : new InvalidFiles([String(error)]);
      return { files, version: files.message };
    }
  }
}

interface Found {
  readonly files: readonly TextFile[] | InvalidFiles;
  readonly version: string;
}

function versionOf(files: readonly TextFile[]): string {
  const hash = createHash("sha256");
  for (const { file, text } of files) hash.update(JSON.stringify([file, text]));
  return hash.digest("hex");
}
