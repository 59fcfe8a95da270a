import { resolve } from "node:path";
import { text } from "./config.js";
import { packageRoot } from "./package-root.js";

/** Which model is served; the tokenizer and the inference service must agree on it. */
export const modelSchema = {
  modelPath: {
    env: "MODEL_PATH",
    doc: "folder of the model, in the layout of sentence-transformers with ONNX files",
    parse: text().transform((path) => resolve(path)),
    fallback: resolve(packageRoot, "models/all-MiniLM-L6-v2"),
  },
  modelId: {
    env: "MODEL_ID",
    doc: "name of the model in requests and answers; requests may leave its owner out",
    parse: text(),
    fallback: "sentence-transformers/all-MiniLM-L6-v2",
  },
} as const;
