import { constants } from "node:fs";
import { type FileHandle, lstat, open, readFile, rename, rm, writeFile } from "node:fs/promises";
import { MeshError } from "../errors.js";
import { type Checked, checkFile } from "./digest.js";
import type { Hub, HubFile } from "./hub.js";
import { discard } from "./hub-fetch.js";
import { type RetryDeps, withRetries } from "./retry.js";

export interface DownloadDeps extends RetryDeps {
  readonly hub: Pick<Hub, "open">;
  readonly commit: string;
  /** Bytes on disk, of a file that grows. */
  readonly onBytes: (bytes: number) => void;
}

/** Wrong bytes are thrown away and fetched again this often. */
const refetchesMax = 1;

/**
 * Brings a file to `path` by way of `path.part`, which a later call continues. Only bytes with the right checksum ever
 * get the name `path`.
 */
export async function download(file: HubFile, path: string, deps: DownloadDeps): Promise<Checked> {
  const part = `${path}.part`;
  for (let refetches = 0; refetches <= refetchesMax; refetches += 1) {
    await withRetries(deps, () => fetchRest(file, part, deps));
    const checked = await checkFile(part, file, deps.signal);
    if (checked !== undefined) {
      await rename(part, path);
      await rm(etagPath(part), { force: true });
      return checked;
    }
    await removePart(part);
  }
  const { kind, hex } = file.digest;
  const expected = `${kind === "git" ? "git blob" : kind} ${hex}`;
  throw new MeshError("internal", `${file.path}: the hub sent wrong bytes twice, not ${expected}`);
}

/** Appends what is missing. Returns when the part is as long as the file, and throws when the connection ends early. */
async function fetchRest(file: HubFile, part: string, deps: DownloadDeps): Promise<void> {
  let offset = await sizeOf(part);
  if (offset > file.bytes) {
    await removePart(part);
    offset = 0;
  }
  if (offset === file.bytes && offset > 0) return;
  const etag = offset > 0 ? await readEtag(part) : undefined;
  const response = await deps.hub.open(deps.commit, file.path, { offset, etag });
  const start = startOf(response, { file, offset, etag });
  if (start === 0) await requireLength(response, file);
  if (start === undefined) {
    await discard(response);
    await removePart(part);
    throw new MeshError("unavailable", `${file.path}: the hub cannot continue it; from its start`);
  }
  if (start === 0) await writeEtag(part, response);
  const bytes = await append(response, { part, start, file, deps });
  if (bytes < file.bytes) {
    const ended = `ended after ${bytes} of ${file.bytes} bytes`;
    throw new MeshError("unavailable", `${file.path}: the connection ${ended}`);
  }
}

/** Where the bytes of an answer begin: at the offset, at 0 if the range was ignored; undefined if they do not fit. */
function startOf(
  { status, headers }: Response,
  asked: { readonly file: HubFile; readonly offset: number; readonly etag: string | undefined },
): number | undefined {
  const { file, offset, etag } = asked;
  if (status === 200) return 0;
  const [, first, total] =
    /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers.get("content-range") ?? "") ?? [];
  const isContinued = status === 206 && Number(first) === offset;
  const isSameLength = total === "*" || Number(total) === file.bytes;
  const now = headers.get("etag");
  const isSameFile = etag === undefined || now === null || now === etag;
  return isContinued && isSameLength && isSameFile ? offset : undefined;
}

/** Another length than the listed one will not mend by trying again. */
async function requireLength(response: Response, file: HubFile): Promise<void> {
  const length = response.headers.get("content-length");
  if (length === null || response.headers.has("content-encoding")) return;
  if (Number(length) === file.bytes) return;
  await discard(response);
  const message = `${file.path}: the hub sends ${length} bytes and lists ${file.bytes}`;
  throw new MeshError("internal", message);
}

/** Writes at most as many bytes as the file may have; returns how many there are. */
async function append(
  response: Response,
  to: { part: string; start: number; file: HubFile; deps: DownloadDeps },
): Promise<number> {
  const { part, start, file, deps } = to;
  const handle = await openPart(part, start);
  const reader = response.body?.getReader();
  let bytes = start;
  try {
    while (reader !== undefined && bytes < file.bytes) {
      const { done, value } = await reader.read();
      if (done) break;
      const kept = value.subarray(0, file.bytes - bytes);
      await handle.writeFile(kept);
      bytes += kept.byteLength;
      deps.onBytes(bytes);
    }
    await handle.sync();
  } finally {
    await handle.close();
    // One that failed has nothing to cancel.
    await reader?.cancel().catch(() => undefined);
  }
  return bytes;
}

async function openPart(part: string, start: number): Promise<FileHandle> {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_TRUNC, O_WRONLY } = constants;
  const mode = start === 0 ? O_TRUNC : O_APPEND;
  return await open(part, O_WRONLY | O_CREAT | O_NOFOLLOW | mode, 0o644);
}

async function sizeOf(part: string): Promise<number> {
  return (await lstat(part).catch(() => undefined))?.size ?? 0;
}

async function removePart(part: string): Promise<void> {
  await rm(part, { force: true });
  await rm(etagPath(part), { force: true });
}

function etagPath(part: string): string {
  return `${part}.etag`;
}

async function readEtag(part: string): Promise<string | undefined> {
  return await readFile(etagPath(part), "utf8").catch(() => undefined);
}

/** Only a strong tag promises the same bytes; without one the checksum alone decides. */
async function writeEtag(part: string, { headers }: Response): Promise<void> {
  const etag = headers.get("etag") ?? "";
  if (etag.startsWith('"')) await writeFile(etagPath(part), etag);
  else await rm(etagPath(part), { force: true });
}
