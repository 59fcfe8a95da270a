import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { MeshError } from "../errors.js";
import { type Checked, checkFile } from "./digest.js";
import { download } from "./download.js";
import { lockLost } from "./folder-lock.js";
import { Hub, type HubFile } from "./hub.js";
import { type Manifest, readManifest, writeManifest } from "./manifest.js";
import type { PulledModel, PullTask } from "./pull-task.js";
import type { Retry } from "./retry.js";
import { selectFiles } from "./selection.js";

/** Makes the version folder hold what the revision means now. Its caller has the folder's lock. */
export async function updateFolder(
  task: PullTask,
  isOurs: () => Promise<boolean>,
): Promise<PulledModel> {
  const { reference, folder, tell } = task;
  await folder.recover();
  const before = await readReplaceable(task);
  const hub = new Hub({ ...task, onRetry: retryTeller(task, reference.source) });
  const commit = await hub.readCommit();
  const files = chooseFiles(await hub.listFiles(commit), task);
  tell({ kind: "resolved", commit, bytes: bytesOf(files) });

  const kept = before === undefined ? new Map<string, Checked>() : await checkFiles(files, task);
  const same = toManifest(task, commit, kept);
  if (kept.size === files.length && isDeepStrictEqual(before, same)) {
    await folder.end();
    return { path: folder.path, manifest: same, downloads: 0 };
  }
  const { checked, downloads } = await buildTree(files, { task, hub, commit, kept });
  const manifest = toManifest(task, commit, checked);
  await writeManifest(folder.tree, manifest);
  if (!(await isOurs())) throw lockLost(folder.lock);
  await folder.swap();
  return { path: folder.path, manifest, downloads };
}

/** The manifest of what a pull may replace: nothing, or an earlier pull of the same repository. */
async function readReplaceable({ reference, folder }: PullTask): Promise<Manifest | undefined> {
  const manifest = await readManifest(folder.path);
  if (manifest === undefined && !(await folder.isThere())) return undefined;
  if (manifest?.source === reference.source) return manifest;
  const holds = manifest === undefined ? "files that no pull wrote" : manifest.source;
  const message = `${folder.path} holds ${holds}; choose another name or version`;
  throw new MeshError("invalid", message);
}

/** The files to serve, within the limits; what they say is known before the first byte is downloaded. */
function chooseFiles(listed: readonly HubFile[], { config, include, reference }: PullTask) {
  const byPath = new Map(listed.map((file) => [file.path, file]));
  const chosen = new Set(selectFiles([...byPath.keys()], include));
  const files = [...byPath.values()].filter(({ path }) => chosen.has(path));
  const large = files.find(({ bytes }) => bytes > config.fileBytesMax);
  if (large !== undefined) {
    const limit = `PULL_FILE_BYTES_MAX (${config.fileBytesMax})`;
    throw new MeshError("too_large", `${large.path} has ${large.bytes} bytes, over ${limit}`);
  }
  if (bytesOf(files) > config.bytesMax) {
    const limit = `PULL_BYTES_MAX (${config.bytesMax})`;
    const message = `the files of ${reference.source} have ${bytesOf(files)} bytes, over ${limit}`;
    throw new MeshError("too_large", message);
  }
  return files;
}

/** Those files that the folder has already, and right. */
async function checkFiles(files: readonly HubFile[], { folder, signal, tell }: PullTask) {
  const kept = new Map<string, Checked>();
  for (const file of files) {
    const checked = await checkFile(join(folder.path, file.path), file, signal);
    if (checked === undefined) continue;
    kept.set(file.path, checked);
    tell({ kind: "kept", path: file.path });
  }
  return kept;
}

/** Every file in the tree: from the version as it is, from an attempt that broke off, or from the hub. */
async function buildTree(
  files: readonly HubFile[],
  from: { task: PullTask; hub: Hub; commit: string; kept: ReadonlyMap<string, Checked> },
): Promise<{ checked: ReadonlyMap<string, Checked>; downloads: number }> {
  const { task, hub, commit, kept } = from;
  const { folder, signal, tell } = task;
  await folder.begin(files.map(({ digest }) => digest));
  const checked = new Map<string, Checked>();
  let downloads = 0;
  const fetch = async (file: HubFile, object: string): Promise<Checked> => {
    const { path, bytes: size } = file;
    downloads += 1;
    const result = await download(file, object, {
      ...task,
      hub,
      commit,
      onBytes: (bytes) => tell({ kind: "progress", path, bytes, size }),
      onRetry: retryTeller(task, path),
    });
    tell({ kind: "downloaded", path, size });
    return result;
  };
  for (const file of files) {
    const object = folder.object(file.digest);
    const own = kept.get(file.path);
    const result = own ?? (await checkFile(object, file, signal)) ?? (await fetch(file, object));
    await folder.place(own === undefined ? object : join(folder.path, file.path), file.path);
    checked.set(file.path, result);
  }
  return { checked, downloads };
}

function toManifest(
  { reference, include }: PullTask,
  commit: string,
  files: ReadonlyMap<string, Checked>,
): Manifest {
  return {
    source: reference.source,
    revision: commit,
    requested: reference.revision,
    ...(include.length > 0 && { include: [...include] }),
    files: Object.fromEntries([...files].sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

function bytesOf(files: readonly HubFile[]): number {
  return files.reduce((sum, { bytes }) => sum + bytes, 0);
}

function retryTeller({ tell }: PullTask, what: string): (retry: Retry) => void {
  return (retry) => tell({ kind: "retrying", what, ...retry });
}
