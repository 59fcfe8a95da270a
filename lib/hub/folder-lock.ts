import { randomUUID } from "node:crypto";
import { link, lstat, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import type { Clock } from "../clock.js";
import { MeshError } from "../errors.js";
import { ignoreAbsence } from "./absence.js";
import { pause } from "./retry.js";

/** A holder touches its lock this often; one that was not seen to do so for so long is dead. */
const heartbeatMs = 2_000;
const staleMs = 12_000;
const pollMs = 250;

export interface LockDeps {
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called once, when another process has the lock. */
  readonly onWait: () => void;
}

/**
 * Runs `work` while no other process does, on any machine that shares the folder. The lock is a file that its holder
 * keeps fresh, so one left by a crash is taken over. `work` asks `isOurs` before what must not happen twice.
 */
export async function withLock<T>(
  path: string,
  deps: LockDeps,
  work: (isOurs: () => Promise<boolean>) => Promise<T>,
): Promise<T> {
  const id = randomUUID();
  await acquire(path, id, deps);
  const isOurs = async (): Promise<boolean> => (await readLock(path)) === id;
  const stopHeartbeat = startHeartbeat(path, { isOurs, clock: deps.clock });
  try {
    return await work(isOurs);
  } finally {
    stopHeartbeat();
    if (await isOurs()) await rm(path, { force: true });
  }
}

async function acquire(path: string, id: string, deps: LockDeps): Promise<void> {
  const { clock, onWait } = deps;
  let last: Sight | undefined;
  while (!(await create(path, id))) {
    const sight = await look(path, clock);
    if (last === undefined) onWait();
    // Only our own clock measures how long nothing changed: the one of the file's machine may be wrong.
    last = isUnchanged(last, sight) ? last : sight;
    if (sight.seenAtMs - last.seenAtMs >= staleMs) await remove(path, sight.holder);
    await pause(pollMs, deps);
  }
}

/** Another's lock, if it is still there. */
interface Sight {
  readonly holder: string | undefined;
  readonly touchedAtMs: number | undefined;
  readonly seenAtMs: number;
}

function isUnchanged(last: Sight | undefined, now: Sight): last is Sight {
  return last !== undefined && last.holder === now.holder && last.touchedAtMs === now.touchedAtMs;
}

async function look(path: string, clock: Clock): Promise<Sight> {
  const holder = await readLock(path);
  const found = await lstat(path).catch(ignoreAbsence);
  return { holder, touchedAtMs: found?.mtimeMs, seenAtMs: clock.nowMs() };
}

async function create(path: string, id: string): Promise<boolean> {
  try {
    await writeFile(path, id, { flag: "wx" });
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  }
}

/** Takes away the lock of a dead holder. */
async function remove(path: string, holder: string | undefined): Promise<void> {
  const aside = `${path}.${randomUUID()}`;
  await rename(path, aside).catch(ignoreAbsence);
  const moved = await readLock(aside);
  // Between the look and the rename another process may have taken over: its lock goes back.
  if (moved !== undefined && moved !== holder) await link(aside, path).catch(() => undefined);
  await rm(aside, { force: true });
}

function startHeartbeat(
  path: string,
  { isOurs, clock }: { isOurs: () => Promise<boolean>; clock: Clock },
): () => void {
  let stop = (): void => {};
  const beat = async (): Promise<void> => {
    // A lock that was lost is not kept alive; what loses it finds out by `isOurs`.
    const now = new Date(clock.dateMs());
    if (await isOurs()) await utimes(path, now, now).catch(ignoreAbsence);
  };
  const schedule = (): void => {
    stop = clock.at(clock.nowMs() + heartbeatMs, () => {
      beat().catch(() => undefined);
      schedule();
    });
  };
  schedule();
  return () => stop();
}

async function readLock(path: string): Promise<string | undefined> {
  return await readFile(path, "utf8").catch(ignoreAbsence);
}

/** What a puller says that lost its lock, which takes a pause of the whole process. */
export function lockLost(path: string): MeshError {
  return new MeshError("unavailable", `another process took ${path} over; try again`);
}
