import { join } from "node:path";
import { reading } from "../invalid-file.js";
import { ConfinedFolder } from "./confined-folder.js";
import { hasOnnxFile } from "./onnx-files.js";

/** A folder with the files of one version of a model. */
export interface VersionFolder {
  readonly version: string;
  readonly path: string;
}

/** As in Triton, names that start with 0 are no versions. */
const versionName = /^[1-9]\d{0,14}$/;

/**
 * The versions of a model in the order of their numbers: its subfolders named by whole numbers, or, without any, the
 * folder itself as version 1 when it holds a model.
 */
export function findVersions(modelPath: string): readonly VersionFolder[] {
  return reading("the model's folder", () => {
    const folder = new ConfinedFolder(modelPath);
    const versions = folder.folders("", (name) => versionName.test(name));
    if (versions.length === 0) return isModel(folder) ? [{ version: "1", path: modelPath }] : [];
    return versions
      .sort((a, b) => Number(a) - Number(b))
      .map((version) => ({ version, path: join(modelPath, version) }));
  });
}

function isModel(folder: ConfinedFolder): boolean {
  const isDescribed = ["config.json", "modules.json"].some((name) => folder.find(name));
  return isDescribed || hasOnnxFile(folder);
}
