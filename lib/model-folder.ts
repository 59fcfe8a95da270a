import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";

/** What the files of a sentence-transformers folder say about a model. */
export interface ModelFolder {
  readonly id: string;
  readonly path: string;
  /** Length of one vector. */
  readonly dimensions: number;
  /** Most tokens of one text, special tokens included. */
  readonly tokensMax: number;
  /** Ids are below it. */
  readonly vocabularySize: number;
  readonly pooling: "mean" | "cls";
}

/** Reads the configuration files of a model; throws with the name of the file that is wrong. */
export function readModelFolder(path: string, id: string): ModelFolder {
  const model = readJson(join(path, "config.json"), modelSchema);
  const sentence = readJson(join(path, "sentence_bert_config.json"), sentenceSchema);
  const pooling = readJson(join(path, "1_Pooling/config.json"), poolingSchema);
  return {
    id,
    path,
    dimensions: model.hidden_size,
    tokensMax: sentence.max_seq_length,
    vocabularySize: model.vocab_size,
    pooling: pooling.pooling_mode_cls_token ? "cls" : "mean",
  };
}

/** Whether a request means this model: by its id, by the id without its owner, or by naming none. */
export function isModelNamed({ id }: ModelFolder, name: string): boolean {
  return name === "" || name === id || name === basename(id);
}

const modelSchema = z.object({ hidden_size: z.int().positive(), vocab_size: z.int().positive() });
const sentenceSchema = z.object({ max_seq_length: z.int().positive() });
const poolingSchema = z
  .object({ pooling_mode_cls_token: z.boolean(), pooling_mode_mean_tokens: z.boolean() })
  .refine((modes) => modes.pooling_mode_cls_token !== modes.pooling_mode_mean_tokens, {
    message: "expected mean or cls pooling",
  });

function readJson<T>(file: string, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(JSON.parse(readFileSync(file, "utf8")));
  if (parsed.success) return parsed.data;
  throw new Error(`${file}: ${z.prettifyError(parsed.error)}`);
}
