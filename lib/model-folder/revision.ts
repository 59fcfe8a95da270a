import { createHash } from "node:crypto";
import { type Dirent, opendirSync, readlinkSync, statSync } from "node:fs";
import { join } from "node:path";
import { invalid, reading } from "../invalid-file.js";

const entriesMax = 100_000;

/** 16 hex digits that change whenever a file of the folder comes, goes, or changes its size or time; reads no content. */
export function readRevision(path: string): string {
  const lines = reading("the model's folder", () => entriesOf(path)).map((name) =>
    JSON.stringify([name, ...factsOf(join(path, name))]),
  );
  return createHash("sha256").update(lines.sort().join("\n")).digest("hex").slice(0, 16);
}

/** Paths of everything but folders, relative; links are not followed into folders. */
function entriesOf(path: string): string[] {
  const found: string[] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of entriesIn(path, folder)) {
      if (entry.isDirectory()) folders.push(join(folder, entry.name));
      else found.push(join(folder, entry.name));
      if (found.length + folders.length > entriesMax) {
        throw invalid("the model's folder", `has more than ${entriesMax} entries`);
      }
    }
  }
  return found;
}

/** Files, folders and links; one after the other, because a folder may have more of them than fit into memory. */
function* entriesIn(path: string, folder: string): Generator<Dirent> {
  const entries = opendirSync(join(path, folder));
  try {
    for (let entry = entries.readSync(); entry !== null; entry = entries.readSync()) {
      if (entry.isFile() || entry.isDirectory() || entry.isSymbolicLink()) yield entry;
    }
  } finally {
    entries.closeSync();
  }
}

/** Size and time of a file, or of the file that a link leads to; of another link, where it leads. */
function factsOf(file: string): readonly unknown[] {
  try {
    const status = statSync(file, { throwIfNoEntry: false });
    return status?.isFile() ? [status.size, status.mtimeMs] : ["->", readlinkSync(file)];
  } catch {
    // A link in a circle, or a file that has gone since the folder was listed: the next revision will tell.
    return [];
  }
}
