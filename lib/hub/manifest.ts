import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { MeshError } from "../errors.js";
import { ignoreAbsence } from "./absence.js";
import { isPathInside } from "./names.js";

const manifestSchema = z.object({
  source: z.string(),
  revision: z.string().regex(/^[0-9a-f]{40}$/),
  requested: z.string(),
  include: z.array(z.string()).optional(),
  files: z.record(
    z.string().refine(isPathInside),
    z.object({ bytes: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  ),
});

/** Where the files of a version folder come from, and what their bytes are. */
export type Manifest = Readonly<z.output<typeof manifestSchema>>;

export const manifestName = "manifest.json";

/** The manifest of a folder; undefined if it has none. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  const path = join(folder, manifestName);
  const raw = await readFile(path, "utf8").catch(ignoreAbsence);
  if (raw === undefined) return undefined;
  try {
    return manifestSchema.parse(JSON.parse(raw));
  } catch (error) {
    throw new MeshError("invalid", `${path} is not what a pull writes`, { cause: error });
  }
}

export async function writeManifest(folder: string, manifest: Manifest): Promise<void> {
  await writeFile(join(folder, manifestName), `${JSON.stringify(manifest, undefined, 2)}\n`, {
    flag: "wx",
    flush: true,
  });
}
