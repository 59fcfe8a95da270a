import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { MeshError } from "../errors.js";
import { checkFile } from "./digest.js";
import { withLock } from "./folder-lock.js";
import { type Manifest, readManifest } from "./manifest.js";
import { isCommit } from "./names.js";
import {
  type PullDeps,
  type PulledModel,
  type PullOptions,
  type PullTask,
  readTask,
} from "./pull-task.js";
import { updateFolder } from "./update-folder.js";

/**
 * org/name@revision -> commit -> files with checksums -> `<repository>/<name>/<version>`. What is there and right is
 * kept; the folder changes in one step, or not at all.
 */
export async function pullModel(options: PullOptions, deps: PullDeps): Promise<PulledModel> {
  const { config, clock } = deps;
  const end = new AbortController();
  const stop = clock.at(clock.nowMs() + config.pullMsMax, () =>
    end.abort(new MeshError("deadline", `the pull took longer than ${config.pullMsMax} ms`)),
  );
  const cancel = (): void => end.abort(new MeshError("cancelled", "the pull was cancelled"));
  options.signal?.addEventListener("abort", cancel);
  if (options.signal?.aborted) cancel();
  try {
    return await pull(readTask(options, deps, end.signal));
  } catch (error) {
    // Whatever noticed the end first, this is why.
    end.signal.throwIfAborted();
    throw error;
  } finally {
    options.signal?.removeEventListener("abort", cancel);
    stop();
    // No connection outlives its pull.
    end.abort();
  }
}

async function pull(task: PullTask): Promise<PulledModel> {
  const { reference, folder, config, tell } = task;
  // What a commit means never changes, so that its model needs no hub, and no folder that can be written.
  if (config.isOffline || isCommit(reference.revision)) {
    const manifest = await readPresent(task);
    if (manifest !== undefined) return { path: folder.path, manifest, downloads: 0 };
  }
  if (config.isOffline) {
    const wanted = `${reference.source}@${reference.revision}`;
    const message = `HF_HUB_OFFLINE is set, and ${folder.path} does not hold all of ${wanted}`;
    throw new MeshError("unavailable", message);
  }
  await folder.create();
  const onWait = (): void => tell({ kind: "waiting" });
  return await withLock(folder.lock, { ...task, onWait }, (isOurs) => updateFolder(task, isOurs));
}

/** The manifest in the folder, if it is of what the task asks for and every byte is right. */
async function readPresent(task: PullTask): Promise<Manifest | undefined> {
  const { reference, include, folder, signal } = task;
  const manifest = await readManifest(folder.path);
  if (manifest === undefined || manifest.source !== reference.source) return undefined;
  const isSame =
    [manifest.requested, manifest.revision].includes(reference.revision) &&
    isDeepStrictEqual(manifest.include ?? [], include);
  if (!isSame) return undefined;
  for (const [path, { bytes, sha256: hex }] of Object.entries(manifest.files)) {
    const expected = { bytes, digest: { kind: "sha256", hex } } as const;
    const checked = await checkFile(join(folder.path, path), expected, signal);
    if (checked === undefined) return undefined;
  }
  return manifest;
}
