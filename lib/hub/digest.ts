import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat } from "node:fs/promises";

/** What the hub says a file's bytes are: SHA-256 for large files, git's blob id for the others. */
export interface Digest {
  readonly kind: "sha256" | "git";
  readonly hex: string;
}

/** A file whose bytes are what they should be. */
export interface Checked {
  readonly bytes: number;
  readonly sha256: string;
}

/** The file's SHA-256 if it is a regular file with these bytes; undefined if not, or if there is none. */
export async function checkFile(
  path: string,
  expected: { readonly bytes: number; readonly digest: Digest },
  signal: AbortSignal,
): Promise<Checked | undefined> {
  const { bytes, digest } = expected;
  const stat = await lstat(path).catch(() => undefined);
  // A symbolic link is never followed: what it points to may change without us.
  if (!stat?.isFile() || stat.size !== bytes) return undefined;
  const sha256 = createHash("sha256");
  const git = createHash("sha1").update(`blob ${bytes}\0`);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20, signal })) {
    sha256.update(chunk);
    if (digest.kind === "git") git.update(chunk);
  }
  const sha256Hex = sha256.digest("hex");
  const actual = digest.kind === "git" ? git.digest("hex") : sha256Hex;
  return actual === digest.hex ? { bytes, sha256: sha256Hex } : undefined;
}
