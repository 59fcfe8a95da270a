import { resolve } from "node:path";
import { list, text } from "./config.js";
import { packageRoot } from "./package-root.js";

const path = () => text().transform((value) => resolve(value));

/** Which models are served; the tokenizer and the inference service must agree on it. */
export const modelSchema = {
  modelPath: {
    env: "MODEL_PATH",
    doc: "folder of the default model: Hugging Face's layout with ONNX files, or version folders of such",
    parse: path(),
    fallback: resolve(packageRoot, "models/all-MiniLM-L6-v2"),
  },
  modelId: {
    env: "MODEL_ID",
    doc: "name of the default model in requests and answers; requests may leave its owner out",
    parse: text(),
    fallback: "sentence-transformers/all-MiniLM-L6-v2",
  },
  modelRepository: {
    env: "MODEL_REPOSITORY",
    doc: "folder with more models, each a folder with version folders (1, 2, …) or files; unset: no more",
    parse: path(),
    fallback: undefined,
  },
  modelsToPull: {
    env: "MODEL_PULL",
    doc: "models of the Hugging Face hub to have in MODEL_REPOSITORY before the start: org/name[@revision], comma-separated",
    parse: list(),
    fallback: [],
  },
} as const;
