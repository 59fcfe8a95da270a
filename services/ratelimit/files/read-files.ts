import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Problems } from "./problems.js";

/** A file that was read, under the name by which messages call it. */
export interface TextFile {
  readonly file: string;
  readonly text: string;
}

/** What a Kubernetes ConfigMap holds at most. */
export const fileBytesMax = 1 << 20;
export const filesMax = 64;

/**
 * A file, or the YAML files right inside a folder, in the order of their names. Names that begin with a dot are left
 * out: Kubernetes keeps the versions of a ConfigMap there. Throws `InvalidFiles`.
 */
export async function readFiles(path: string): Promise<readonly TextFile[]> {
  const problems = new Problems();
  const names = await namesOf(path, problems);
  if (names.length > filesMax) problems.add(path, `${names.length} files, over ${filesMax}`);
  problems.throwIfAny();
  const files: TextFile[] = [];
  for (const file of names) {
    const text = await readOne(file, problems);
    if (text !== undefined) files.push({ file, text });
  }
  problems.throwIfAny();
  return files;
}

async function namesOf(path: string, problems: Problems): Promise<readonly string[]> {
  try {
    if (!(await stat(path)).isDirectory()) return [path];
    const names = (await readdir(path)).filter((name) => /^[^.].*\.ya?ml$/.test(name)).sort();
    if (names.length === 0) problems.add(path, "a folder without .yaml files");
    return names.map((name) => join(path, name));
  } catch (error) {
    problems.add(path, refusalOf(error));
    return [];
  }
}

async function readOne(file: string, problems: Problems): Promise<string | undefined> {
  try {
    const found = await stat(file);
    // Reading a pipe would wait for whoever writes it.
    if (!found.isFile()) problems.add(file, "not a file");
    else if (found.size > fileBytesMax)
      problems.add(file, `${found.size} bytes, over ${fileBytesMax}`);
    else return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(file));
  } catch (error) {
    problems.add(file, refusalOf(error));
  }
  return undefined;
}

/** What the file system says no with; anything else is a bug. */
function refusalOf(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === undefined) throw error;
  if (code === "ENOENT") return "not found";
  return code === "ERR_ENCODING_INVALID_ENCODED_DATA" ? "not UTF-8" : `cannot be read (${code})`;
}
