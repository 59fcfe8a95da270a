import { dirname, isAbsolute, join, win32 } from "node:path";
import { MeshError } from "../errors.js";
import { invalid, shown } from "../invalid-file.js";
import { type Dtype, dtypes } from "../model-spec.js";
import { externalDataOf } from "../onnx-file.js";
import type { ConfinedFolder } from "./confined-folder.js";

const names: Readonly<Record<Dtype, readonly string[]>> = {
  int8: ["model_int8.onnx", "model_quantized.onnx"],
  float16: ["model_fp16.onnx"],
  float32: ["model.onnx"],
};

/** Where a model's weights of one type may be; the first that exists counts. */
function candidates(dtype: Dtype): readonly string[] {
  return [...names[dtype].map((name) => `onnx/${name}`), ...names[dtype]];
}

/** Whether the folder has any ONNX file that we would load. */
export function hasOnnxFile(folder: ConfinedFolder): boolean {
  return dtypes.flatMap(candidates).some((name) => folder.find(name) !== undefined);
}

/** Absolute paths of the ONNX files by the type of their weights, each checked by `checkOnnx`. */
export function readOnnxFiles(
  folder: ConfinedFolder,
  bytesMax: number,
): Partial<Record<Dtype, string>> {
  const files: Partial<Record<Dtype, string>> = {};
  for (const dtype of dtypes) {
    const name = candidates(dtype).find((candidate) => folder.find(candidate) !== undefined);
    if (name !== undefined) files[dtype] = checkOnnx(folder, name, bytesMax);
  }
  if (Object.keys(files).length > 0) return files;
  const expected = dtypes.flatMap(candidates).join(", ");
  throw new MeshError(
    "invalid",
    `the model's folder has no ONNX file; expected one of ${expected}`,
  );
}

/** Absolute path of an ONNX file all of whose data is in the folder and no file over the bound. */
export function checkOnnx(folder: ConfinedFolder, name: string, bytesMax: number): string {
  const file = folder.require(name, bytesMax);
  for (const location of externalDataOf(file, name)) {
    checkLocation(folder, name, location, bytesMax);
  }
  return file;
}

function checkLocation(
  folder: ConfinedFolder,
  name: string,
  location: string,
  bytesMax: number,
): void {
  // ONNX Runtime looks for it beside the model's file, and refuses to go up from there, as we do.
  const isOutside =
    isAbsolute(location) || win32.isAbsolute(location) || location.split(/[\\/]/).includes("..");
  if (location === "" || isOutside) {
    throw invalid(name, `external data ${shown(location)} leaves the model's folder`);
  }
  folder.require(join(dirname(name), location), bytesMax);
}
