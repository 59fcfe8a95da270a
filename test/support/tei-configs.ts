import { cpSync } from "node:fs";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { packageRoot } from "../../lib/package-root.js";
import { temporaryFolder, write, writeClassifier, writeCrossEncoder } from "./tiny-models.js";

const sharedModel = join(packageRoot, "../shared/models/all-MiniLM-L6-v2");
/** The weights that were recorded. */
export const teiFp32: NodeJS.ProcessEnv = { MODEL_PATH: sharedModel, DTYPE: "fp32" };
const modelId = "sentence-transformers/all-MiniLM-L6-v2";
const tokensMax = { "sentence_bert_config.json": { max_seq_length: 256 } };

/** How text-embeddings-inference ran when its answers were recorded, in our settings. */
export const teiConfigs: Readonly<Record<string, (t: TestContext) => NodeJS.ProcessEnv>> = {
  default(t) {
    const folder = temporaryFolder(t);
    copyModel(folder);
    cpSync(join(packageRoot, "models/all-MiniLM-L6-v2/heads"), join(folder, "heads"), {
      recursive: true,
    });
    return { MODEL_PATH: folder, DTYPE: "fp32" };
  },
  small: () => ({
    ...teiFp32,
    TRUNCATE: "false",
    CLIENT_BATCH_MAX: "4",
    BODY_BYTES_MAX: "4096",
    MODEL_ID: "my-model",
  }),
  auth: () => ({ ...teiFp32, API_KEY: "sesame" }),
  overload: () => ({ ...teiFp32, ADMITTED_INPUTS_MAX: "2" }),
  prompts(t) {
    const folder = temporaryFolder(t);
    copyModel(folder);
    const prompts = { query: "query: ", passage: "passage: " };
    write(folder, {
      "config_sentence_transformers.json": { prompts, default_prompt_name: "query" },
    });
    return { MODEL_PATH: folder, DTYPE: "fp32", MODEL_ID: modelId };
  },
  classifier(t) {
    const folder = temporaryFolder(t);
    writeClassifier(folder, { labels: ["anger", "joy", "neutral"] });
    write(folder, tokensMax);
    return { MODEL_PATH: folder, MODEL_ID: modelId };
  },
  reranker(t) {
    const folder = temporaryFolder(t);
    writeCrossEncoder(folder);
    write(folder, tokensMax);
    return { MODEL_PATH: folder, MODEL_ID: modelId };
  },
};

function copyModel(folder: string): void {
  cpSync(sharedModel, folder, { recursive: true, filter: (path) => !path.includes("int8") });
}
