import { invalid } from "../invalid-file.js";
import type { Head } from "../model-spec.js";
import type { ConfinedFolder } from "./confined-folder.js";
import { labelsOf, labelsSchema } from "./labels.js";
import { isModelName } from "./model-name.js";
import { checkOnnx } from "./onnx-files.js";

const headsMax = 1_000;

/** Classifiers over the model's vectors: `heads/<name>/` with config.json and head.onnx, sorted by name. */
export function readHeads(folder: ConfinedFolder, onnxBytesMax: number): readonly Head[] {
  const names = folder.folders("heads", (name) => !name.startsWith("."));
  if (names.length > headsMax) throw invalid("heads", `has more than ${headsMax} folders`);
  return names.map((name) => {
    if (!isModelName(name)) throw invalid(`heads/${name}`, "is no name for a head");
    const config = `heads/${name}/config.json`;
    const said = folder.json(config, labelsSchema);
    if (said.id2label == null) throw invalid(config, "expected id2label");
    const labels = labelsOf(said, config);
    return { name, file: checkOnnx(folder, `heads/${name}/head.onnx`, onnxBytesMax), labels };
  });
}
