import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

/** The folder that holds package.json, models/ and the .lua files, whether this runs from source or from dist/. */
export const packageRoot: string = findUp(import.meta.dirname);

function findUp(folder: string): string {
  if (existsSync(join(folder, "package.json"))) return folder;
  const parent = dirname(folder);
  if (parent === folder) throw new Error("package.json is missing above this file");
  return findUp(parent);
}
