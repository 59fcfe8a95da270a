import { z } from "zod";
import { invalid } from "../invalid-file.js";
import type { ConfinedFolder } from "./confined-folder.js";

const tokensMax = 1_048_576;

/** The part of config.json that bounds texts. */
export const limitsSchema = z.object({
  model_type: z.string().nullish(),
  max_position_embeddings: z.int().min(1).nullish(),
  n_positions: z.int().min(1).nullish(),
  pad_token_id: z.int().nullish(),
});

/** Files that sentence-transformers has written over the years for the same thing. */
const sentenceFiles = [
  "sentence_bert_config.json",
  "sentence_roberta_config.json",
  "sentence_distilbert_config.json",
  "sentence_camembert_config.json",
  "sentence_albert_config.json",
  "sentence_xlm-roberta_config.json",
  "sentence_xlnet_config.json",
];
const sentenceSchema = z.object({ max_seq_length: z.int().min(1).max(tokensMax).nullish() });
const tokenizerSchema = z.object({ model_max_length: z.number().nullish() });

/** Models that count positions from after the padding's id, so that the first of their positions are never used. */
const countFromPadding = new Set([
  "camembert",
  "data2vec-text",
  "longformer",
  "mpnet",
  "roberta",
  "roberta-prelayernorm",
  "xlm-roberta",
  "xlm-roberta-xl",
  "xmod",
]);

/** Most tokens of one text: what the files say, but never more than the model has positions. */
export function readTokensMax(
  folder: ConfinedFolder,
  config: z.infer<typeof limitsSchema>,
): number {
  const positions = positionsOf(config);
  const said = sentenceTokens(folder) ?? tokenizerTokens(folder) ?? positions ?? config.n_positions;
  if (said == null || said < 1) {
    throw invalid(
      "config.json",
      "max_position_embeddings is missing, and no other file says how many tokens a text may have",
    );
  }
  return Math.min(said, positions ?? said, tokensMax);
}

function positionsOf(config: z.infer<typeof limitsSchema>): number | undefined {
  const count = config.max_position_embeddings ?? undefined;
  if (count === undefined || !countFromPadding.has(config.model_type ?? "")) return count;
  const positions = count - (config.pad_token_id ?? 1) - 1;
  if (positions < 1) throw invalid("config.json", "max_position_embeddings is too small");
  return positions;
}

function sentenceTokens(folder: ConfinedFolder): number | undefined {
  const file = sentenceFiles.find((name) => folder.find(name) !== undefined);
  return file === undefined
    ? undefined
    : (folder.json(file, sentenceSchema).max_seq_length ?? undefined);
}

/** Tokenizers without a limit say 1e30. */
function tokenizerTokens(folder: ConfinedFolder): number | undefined {
  const said = folder.findJson("tokenizer_config.json", tokenizerSchema)?.model_max_length;
  return said != null && Number.isInteger(said) && said >= 1 && said <= tokensMax
    ? said
    : undefined;
}
