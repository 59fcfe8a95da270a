import { z } from "zod";
import { invalid } from "../invalid-file.js";
import type { Pooling } from "../model-spec.js";
import type { ConfinedFolder } from "./confined-folder.js";

export interface PoolingConfig {
  readonly pooling: Pooling;
  /** Length of the vectors that are pooled. */
  readonly hiddenSize: number;
}

/** Names in sentence-transformers, old (flags) and new (`pooling_mode`), of the modes that we have. */
const modes: Readonly<Record<string, Pooling>> = {
  cls: "cls",
  mean: "mean",
  max: "max",
  lasttoken: "last_token",
};
const modeOfFlag: Readonly<Record<string, string>> = {
  pooling_mode_cls_token: "cls",
  pooling_mode_max_tokens: "max",
  pooling_mode_mean_tokens: "mean",
  pooling_mode_mean_sqrt_len_tokens: "mean_sqrt_len_tokens",
  pooling_mode_weightedmean_tokens: "weightedmean",
  pooling_mode_lasttoken: "lasttoken",
};

const size = z.int().min(1).max(65_536);
const schema = z
  .looseObject({
    word_embedding_dimension: size.nullish(),
    embedding_dimension: size.nullish(),
    pooling_mode: z.union([z.string(), z.array(z.string()).min(1)]).nullish(),
    include_prompt: z.boolean().nullish(),
  })
  .refine((said) => (said.embedding_dimension ?? said.word_embedding_dimension) != null, {
    message: "expected word_embedding_dimension",
  });

/** Reads a Pooling module: one mode, over all tokens. */
export function readPooling(folder: ConfinedFolder, path: string): PoolingConfig {
  const file = `${path}/config.json`;
  const said = folder.json(file, schema);
  if (said.include_prompt === false) throw invalid(file, "include_prompt false is not supported");
  const named = namedModes(said);
  const [name] = named;
  const pooling =
    named.length === 1 && Object.hasOwn(modes, `${name}`) ? modes[`${name}`] : undefined;
  if (pooling === undefined) {
    throw invalid(file, `expected mean, cls, max or lasttoken pooling, not ${named.join(" and ")}`);
  }
  // The schema has refused files without either.
  return {
    pooling,
    hiddenSize: (said.embedding_dimension ?? said.word_embedding_dimension) as number,
  };
}

/** As sentence-transformers reads them: a name goes before flags, and without either it is the mean. */
function namedModes(said: z.infer<typeof schema>): readonly string[] {
  if (said.pooling_mode != null)
    return [said.pooling_mode].flat().map((mode) => mode.toLowerCase());
  const flagged = Object.entries(modeOfFlag).filter(([flag]) => said[flag] === true);
  return flagged.length === 0 ? ["mean"] : flagged.map(([, mode]) => mode);
}
